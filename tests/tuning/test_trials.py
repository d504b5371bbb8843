"""Which trial is best, and what is printed of it."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from lorag.params import LoraMethod
from lorag.params_file import load_params
from lorag.strategies import AdapterKind
from lorag.tuning.report import EpochResult
from lorag.tuning.trials import Trial, TrialState, TrialValues, best_trial, dvc_command, params_lines

SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").training[AdapterKind.TUNED]
VALUES = TrialValues(rank=8, learning_rate=1.5e-3, dropout=0.1)


def make_trial(number: int, *figures: tuple[float | None, float], state: TrialState = TrialState.COMPLETE) -> Trial:
    epochs = [EpochResult(at, 1.0, loss, accuracy) for at, (accuracy, loss) in enumerate(figures, start=1)]
    return Trial(number, VALUES, 8.0, state, epochs, 1.0)


@pytest.mark.parametrize(
    ("trials", "best", "why"),
    [
        ([make_trial(1, (0.1, 1)), make_trial(2, (0.5, 1)), make_trial(3, (0.4, 1))], 2, "the most accurate"),
        ([make_trial(1, (0.5, 2)), make_trial(2, (0.5, 1))], 2, "of equals the least loss"),
        ([make_trial(1, (0.5, 1)), make_trial(2, (0.5, 1))], 1, "of the same the first"),
        ([make_trial(1, (0.5, 1)), make_trial(2, (0.9, 1), (0.1, 1))], 2, "by its best epoch, whose weights are kept"),
        ([make_trial(1, (0.9, 1), state=TrialState.DIVERGED), make_trial(2, (0.1, 1))], 2, "not one that broke"),
        ([make_trial(1, state=TrialState.DIVERGED)], None, "none where all broke"),
        ([], None, "none of none"),
    ],
)
def test_the_best_trial(trials: list[Trial], best: int | None, why: str) -> None:
    found = best_trial(trials)
    assert (found.number if found else None) == best, why


def test_the_lines_are_yaml_that_params_take() -> None:
    trial = make_trial(1, (0.5, 1))
    value = YAML(typ="safe").load("\n".join(params_lines(AdapterKind.HYBRID, trial)))
    assert value == {"training": {"hybrid": {"rank": 8, "alpha": 8, "learning_rate": 1.5e-3, "dropout": 0.1}}}
    assert dvc_command(AdapterKind.HYBRID, trial) == (
        "dvc exp run -S training.hybrid.rank=8 -S training.hybrid.alpha=8 -S training.hybrid.learning_rate=1.50e-03 "
        "-S training.hybrid.dropout=0.1 adapter_evaluation@hybrid"
    )


@pytest.mark.parametrize(("method", "alpha"), [(LoraMethod.LORA, 10.0), (LoraMethod.RSLORA, 20.0)])
def test_the_update_keeps_its_scale(method: LoraMethod, alpha: float) -> None:
    params = SETTINGS.model_copy(update={"rank": 32, "alpha": 40.0, "method": method})
    applied = VALUES.apply(params)
    assert (applied.rank, applied.alpha, applied.learning_rate, applied.dropout) == (8, alpha, 1.5e-3, 0.1)
    assert applied.epochs == params.epochs
