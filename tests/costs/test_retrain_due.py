"""When enough has changed for a retrain that does not wait for its schedule."""

import pytest

from lorag.costs.pending import Held, When
from lorag.params import AdviceParams
from lorag.strategies import AdapterKind

PARAMS = AdviceParams(max_accuracy_loss=0.05, max_update_share=0.5, max_extrapolation=10, retrain_from_share=0.1)


def held(kind: str, *, stale: int = 0, gone: int = 0, facts: int = 0) -> Held:
    names = tuple(f"{number}.md" for number in range(20))
    return Held(AdapterKind(kind), 20, names[:stale], names[:gone], 100, facts)


@pytest.mark.parametrize(
    ("one", "due"),
    [
        (held("tuned"), False),
        (held("tuned", stale=1), False),
        (held("tuned", stale=2), True),
        # Documents that are new have no version to be stale: their facts tell.
        (held("tuned", facts=9), False),
        (held("tuned", facts=10), True),
        # It reads what changed from the index.
        (held("hybrid", stale=20, facts=100), False),
        # What is gone must leave the weights.
        (held("tuned", gone=1), True),
        (held("hybrid", gone=1), True),
    ],
)
def test_an_adapter_is_due(one: Held, due: bool) -> None:
    assert (one.when(PARAMS) is When.NOW) is due
