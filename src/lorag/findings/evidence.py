"""What was measured in a workspace, gathered to judge by: the comparison, the walk through versions, the costs."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from lorag.costs.break_even import BreakEven
from lorag.costs.ledger import EntryKind, Extent, Ledger
from lorag.costs.records import Cost
from lorag.costs.unit_costs import Measured
from lorag.evaluation.bootstrap import Estimate, share_interval
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Moment, Timeline, TimelineRow
from lorag.strategies import READER, AdapterKind, Strategy


class Verdict(StrEnum):
    """What the figures say; a claim that they leave open does not hold."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_MEASURED = "not_measured"


def verdict_of(holds: bool) -> Verdict:
    """Of something that was measured."""
    return Verdict.HOLDS if holds else Verdict.FAILS


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure by which something was judged; `low` and `high` are its interval or its range, None without one."""

    of: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = "share"

    @classmethod
    def on(cls, of: str, found: Estimate) -> Self:
        """A share or a difference of shares."""
        return cls(of, found.value, found.low, found.high)

    @property
    def text(self) -> str:
        """As a person reads it."""
        form = ".3f" if self.unit == "share" else ".3g"
        unit = "" if self.unit == "share" else f" {self.unit}"
        span = "" if self.low is None or self.high is None else f" [{self.low:{form}}, {self.high:{form}}]"
        return f"{self.of}: {self.value:{form}}{span}{unit}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, and the text."""
        return asdict(self) | {"text": self.text}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What other commands wrote; None or empty where they were not run.

    `stages` counts the stages of the pipeline that each strategy needs. `corpus_tokens` and `context_tokens` are what
    is indexed, and what a model may read at once.
    """

    comparison: Comparison | None = None
    timeline: Timeline | None = None
    ledger: Ledger = field(default_factory=Ledger)
    measured: tuple[Measured, ...] = ()
    break_even: BreakEven | None = None
    stages: Mapping[Strategy, int] = field(default_factory=dict)
    corpus_tokens: int | None = None
    context_tokens: int | None = None

    def difference(self, left: str, right: str, measure: str) -> Estimate | None:
        """What the first has more than the second on the same questions, whichever way round it was taken."""
        taken = self.comparison.differences if self.comparison else {}
        if (found := taken.get(f"{left} - {right}", {}).get(measure)) is not None:
            return found
        found = taken.get(f"{right} - {left}", {}).get(measure)
        return found and Estimate(-found.value, -found.high, -found.low, found.n)

    def figure(self, strategy: str, measure: str) -> Estimate | None:
        """Of the comparison."""
        return self.comparison.strategies.get(strategy, {}).get(measure) if self.comparison else None

    def of(self, strategy: Strategy) -> Measured | None:
        """What the ledger tells of the strategy."""
        return next((one for one in self.measured if one.strategy == strategy), None)

    def pooled(self, strategy: Strategy, moment: Moment, measure: str) -> Estimate | None:
        """Return the share over all versions but the first, where nothing has changed yet; None if nothing was asked.

        After the refresh an adapter is from before the change. The interval is wide where little was asked, also where
        all answers were alike.
        """
        rows = self._rows(strategy, moment)
        known = [row.figures[measure] for _, row in rows if measure in row.figures]
        if self.timeline is None or not known:
            return None
        found = sum(round(each.value * each.n) for each in known)
        return share_interval(found, sum(each.n for each in known), self.timeline.confidence)

    def refreshes(self) -> list[Cost]:
        """Of every change of the index after the first build, in the ledger or else in the walk."""
        kept = [e.cost for e in self.ledger.of(EntryKind.REFRESH, None) if e.extent is Extent.INCREMENTAL]
        return kept or [row.cost for _, row in self._rows(READER, Moment.REFRESHED) if row.cost]

    def retrains(self, adapter: AdapterKind) -> list[Cost]:
        """Of every retrain that trained something; the walk tells those of an adapter that does not read."""
        kept = [e.cost for e in self.ledger.of(EntryKind.RETRAIN, adapter.strategy) if e.extent is not Extent.UNCHANGED]
        if kept or adapter.reads:
            return kept
        return [row.cost for _, row in self._rows(adapter.strategy, Moment.RETRAINED) if row.cost]

    def _rows(self, strategy: Strategy, moment: Moment) -> Iterator[tuple[str, TimelineRow]]:
        for step in self.timeline.steps[1:] if self.timeline else ():
            yield from ((step.version, row) for row in step.rows if (row.strategy, row.moment) == (strategy, moment))
