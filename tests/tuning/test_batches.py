"""An epoch holds every pair once, in batches that fit, in an order that the seed decides."""

import itertools
import random
from pathlib import Path

import pytest

from lorag.params_file import load_params
from lorag.strategies import AdapterKind
from lorag.tuning.batches import plan_epoch

PARAMS = (
    load_params(Path(__file__).parents[2] / "params.yaml")
    .training[AdapterKind.TUNED].model_copy(update={"batch_tokens": 100, "gradient_accumulation": 3, "seed": 1})
)  # fmt: skip
LENGTHS = [random.Random(3).randint(5, 60) for _ in range(200)]


def flat(steps: list[list[list[int]]]) -> list[int]:
    return [at for step in steps for batch in step for at in batch]


@pytest.mark.parametrize("world_size", [1, 2])
def test_every_pair_once_in_batches_that_fit(world_size: int) -> None:
    steps = plan_epoch(LENGTHS, PARAMS, 0, world_size=world_size)
    assert sorted(flat(steps)) == list(range(200))
    for batch in itertools.chain(*steps):
        assert max(LENGTHS[at] for at in batch) * len(batch) <= 100
    assert {len(step) for step in steps[:-1]} == {3 * world_size}
    assert 1 <= len(steps[-1]) <= 3 * world_size


def test_batches_hold_pairs_of_like_length() -> None:
    steps = plan_epoch(LENGTHS, PARAMS, 0)
    padded = sum(max(LENGTHS[at] for at in batch) * len(batch) for batch in itertools.chain(*steps))
    assert padded < 1.1 * sum(LENGTHS)


def test_a_pair_over_the_budget_is_a_batch_of_its_own() -> None:
    steps = plan_epoch([500, 10, 10], PARAMS, 0)
    assert [0] in [batch for step in steps for batch in step]


def test_the_seed_and_the_epoch_decide_the_order() -> None:
    first = plan_epoch(LENGTHS, PARAMS, 0)
    random.random()
    assert plan_epoch(LENGTHS, PARAMS, 0) == first
    others = [plan_epoch(LENGTHS, PARAMS, 1), plan_epoch(LENGTHS, PARAMS.model_copy(update={"seed": 2}), 0)]
    for other in others:
        assert other != first
        assert len(other) == len(first), "a resumed run counts steps by epochs of equal size"


def test_pairs_of_equal_length_meet_others_in_each_epoch() -> None:
    epochs = [{frozenset(b) for step in plan_epoch([20] * 40, PARAMS, n) for b in step} for n in (0, 1)]
    assert epochs[0] != epochs[1]


def test_two_processes_see_the_batches_of_twice_the_accumulation() -> None:
    twice = PARAMS.model_copy(update={"gradient_accumulation": 6})
    assert plan_epoch(LENGTHS, PARAMS, 0, world_size=2) == plan_epoch(LENGTHS, twice, 0)


def test_no_pairs_are_no_steps() -> None:
    assert plan_epoch([], PARAMS, 0) == []
