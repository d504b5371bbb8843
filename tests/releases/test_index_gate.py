"""The rule by which an index generation is refused for what it no longer finds."""

from dataclasses import replace
from pathlib import Path

import pytest

from lorag.errors import GateRefused
from lorag.params_file import load_params
from lorag.releases.index_gate import refuse_low_recall
from tests.releases.test_shelf import release

GATE = load_params(Path(__file__).parents[2] / "params.yaml").gate.model_copy(
    update={"min_recall_at_10": 0.1, "max_recall_drop": 0.05}
)


@pytest.mark.parametrize(
    ("before", "recall", "passes"),
    [
        (8 / 20, 7 / 20, True),
        (11 / 20, 10 / 20, True),
        (20 / 20, 19 / 20, True),
        (20 / 20, 18 / 20, False),
        (None, 0.1, True),
        (None, float("nan"), False),
        (20 / 20, float("nan"), False),
    ],
)
def test_a_drop_that_meets_its_limit_in_whole_questions_passes(
    before: float | None, recall: float, passes: bool
) -> None:
    base = None if before is None else replace(release(1), recall_at_10=before)
    if passes:
        refuse_low_recall(recall, 20, base, GATE)
    else:
        with pytest.raises(GateRefused, match="recall@10"):
            refuse_low_recall(recall, 20, base, GATE)
