"""The error of the rule for right answers, measured on answers that were read and judged one by one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from lorag.evaluation.bootstrap import Estimate, share_interval

RULE = "the answer holds an accepted answer word for word"

CONFIDENCE = 0.95
"""Of the interval of the rule's accuracy."""


@dataclass(frozen=True, slots=True)
class RuleError:
    """The verdicts of a rule beside the labels of `judged` answers.

    `false_right` counts wrong answers that the rule calls right, `false_wrong` right ones that it calls wrong.
    """

    judged: int
    false_right: int
    false_wrong: int

    @classmethod
    def of(cls, verdicts: Sequence[bool], labels: Sequence[bool]) -> Self:
        """Count the errors of a rule's verdicts (right or not) on answers with these labels."""
        pairs = list(zip(verdicts, labels, strict=True))
        return cls(len(pairs), pairs.count((True, False)), pairs.count((False, True)))

    @property
    def agreed(self) -> int:
        """The number of answers that the rule judges as they were labelled."""
        return self.judged - self.false_right - self.false_wrong

    @property
    def accuracy(self) -> Estimate:
        """The share of answers that the rule judges as they were labelled, with its score interval."""
        return share_interval(self.agreed, self.judged, CONFIDENCE)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the object `measure` of a result; docs/json.md lists its keys."""
        return {
            "rule": RULE,
            "accuracy": asdict(self.accuracy),
            "false_right": self.false_right,
            "false_wrong": self.false_wrong,
        }

    def line(self) -> str:
        """Return what "right" means and how often that is wrong, as a report says it."""
        found = self.accuracy
        interval = f"{found.value:.1%}, {found.low:.1%} to {found.high:.1%}"
        return (
            f"Right means: {RULE}. Of {self.judged} answers on the sample knowledge base that were read and judged one "
            f"by one, this rule is right for {self.agreed} ({interval}); wrong, but passed: {self.false_right}; right, "
            f"but failed: {self.false_wrong}."
        )


RULE_ERROR = RuleError(judged=265, false_right=3, false_wrong=1)
"""The error of `contains_answer`; a test computes it from tests/evaluation/labelled_answers.jsonl."""
