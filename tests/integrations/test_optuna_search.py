"""Optuna's choices: within the ranges, the same for the same figures, and an end to what lags."""

import time
from pathlib import Path

import pytest

from lorag.integrations.optuna_search import ShouldStop, search_values
from lorag.params_file import load_params
from lorag.strategies import AdapterKind
from lorag.tuning.trials import TrialValues

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml")
RANGES = PARAMS.parameter_search
PRESENT = PARAMS.training[AdapterKind.TUNED]


def merit(values: TrialValues) -> float:
    """Best for rank 16 at the least learning rate."""
    return (1.0 if values.rank == 16 else 0.5) - 100 * values.learning_rate


def search(trials: int = 25, minutes: float = 1.0, seed: int = 7) -> list[TrialValues]:
    tried: list[TrialValues] = []

    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float:
        assert number == len(tried) + 1
        tried.append(values)
        return merit(values)

    present = PRESENT.model_copy(update={"seed": seed})
    search_values(RANGES, present, run_trial, trials=trials, minutes=minutes)
    return tried


def test_values_lie_in_the_ranges_and_get_better() -> None:
    tried = search()
    assert len(tried) == 25
    for values in tried:
        assert values.rank in RANGES.rank
        assert values.dropout in RANGES.dropout
        assert RANGES.learning_rate[0] <= values.learning_rate <= RANGES.learning_rate[1]
        assert values.learning_rate == float(f"{values.learning_rate:.2e}")
    first, last = (sum(map(merit, part)) / len(part) for part in (tried[:10], tried[15:]))
    assert last > first + 0.1


def test_the_seed_decides() -> None:
    assert search() == search()
    assert search() != search(seed=8)


def test_the_present_settings_come_first() -> None:
    assert search(1) == [TrialValues(PRESENT.rank, PRESENT.learning_rate, PRESENT.dropout)]


def test_settings_out_of_the_ranges_do_not() -> None:
    tried: list[TrialValues] = []

    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float:
        tried.append(values)
        return 0.0

    odd = PRESENT.model_copy(update={"rank": 7})
    search_values(RANGES, odd, run_trial, trials=3, minutes=1)
    assert all(values.rank in RANGES.rank for values in tried)


def test_time_ends_the_search() -> None:
    tried: list[int] = []

    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float:
        time.sleep(0.2)
        tried.append(number)
        return 0.0

    search_values(RANGES, PRESENT, run_trial, trials=100, minutes=0.5 / 60)
    assert 2 <= len(tried) <= 4


def test_a_trial_below_the_median_is_stopped_after_its_second_epoch() -> None:
    stopped: list[int] = []

    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float | None:
        for epoch in range(1, 5):
            if should_stop(epoch, 0.1 if number == 7 else 0.5):
                stopped.extend((number, epoch))
                return None
        return 0.5

    search_values(RANGES, PRESENT, run_trial, trials=8, minutes=1)
    assert stopped == [7, 2]


def test_a_trial_without_a_figure_does_not_end_the_search() -> None:
    tried: list[int] = []

    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float | None:
        tried.append(number)
        return None if number % 2 else 0.3

    search_values(RANGES, PRESENT, run_trial, trials=6, minutes=1)
    assert tried == [1, 2, 3, 4, 5, 6]


def test_other_errors_come_through() -> None:
    def run_trial(number: int, values: TrialValues, should_stop: ShouldStop) -> float:
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        search_values(RANGES, PRESENT, run_trial, trials=2, minutes=1)
