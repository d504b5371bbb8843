"""The measurements of a workspace, collected for the verdicts: the comparison, the timeline walk, the costs."""

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
    """The verdict of the figures; a claim that they do not decide does not hold."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_MEASURED = "not_measured"


def verdict_of(holds: bool) -> Verdict:
    """Return the verdict on something that was measured."""
    return Verdict.HOLDS if holds else Verdict.FAILS


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure behind a verdict; `low` and `high` are its interval or its range, None without one."""

    of: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = "share"

    @classmethod
    def on(cls, of: str, found: Estimate) -> Self:
        """Make a measurement of a share or a difference of shares."""
        return cls(of, found.value, found.low, found.high)

    @property
    def text(self) -> str:
        """The measurement as a person reads it."""
        form = ".3f" if self.unit == "share" else ".3g"
        unit = "" if self.unit == "share" else f" {self.unit}"
        span = "" if self.low is None or self.high is None else f" [{self.low:{form}}, {self.high:{form}}]"
        return f"{self.of}: {self.value:{form}}{span}{unit}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values, and the text."""
        return asdict(self) | {"text": self.text}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The results of other commands; None or empty if they were not run.

    `stages` counts the stages of the pipeline that each strategy needs. `corpus_tokens` is the size of the indexed
    text, `context_tokens` the number of tokens that a model may read at once.
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
        """Return `left` less `right` on the same questions, in whichever order they were compared; None without it."""
        taken = self.comparison.differences if self.comparison else {}
        if (found := taken.get(f"{left} - {right}", {}).get(measure)) is not None:
            return found
        found = taken.get(f"{right} - {left}", {}).get(measure)
        return found and Estimate(-found.value, -found.high, -found.low, found.n)

    def figure(self, strategy: str, measure: str) -> Estimate | None:
        """Return a strategy's figure of the comparison; None if it was not measured."""
        return self.comparison.strategies.get(strategy, {}).get(measure) if self.comparison else None

    def of(self, strategy: Strategy) -> Measured | None:
        """Return the ledger's measurements of the strategy; None if there are none."""
        return next((one for one in self.measured if one.strategy == strategy), None)

    def pooled(self, strategy: Strategy, moment: Moment, measure: str) -> Estimate | None:
        """Return the share over all versions but the first, where nothing has changed yet; None if nothing was asked.

        After the refresh an adapter is from before the change. The interval is wide if few questions were asked, even
        if all answers were alike.
        """
        rows = self._rows(strategy, moment)
        known = [row.figures[measure] for _, row in rows if measure in row.figures]
        if self.timeline is None or not known:
            return None
        found = sum(round(each.value * each.n) for each in known)
        return share_interval(found, sum(each.n for each in known), self.timeline.confidence)

    def refreshes(self) -> list[Cost]:
        """Return the cost of every change of the index after the first build, from the ledger or else from the walk."""
        kept = [e.cost for e in self.ledger.of(EntryKind.REFRESH, None) if e.extent is Extent.INCREMENTAL]
        return kept or [row.cost for _, row in self._rows(READER, Moment.REFRESHED) if row.cost]

    def retrains(self, adapter: AdapterKind) -> list[Cost]:
        """Return the cost of every retrain that trained something, from the ledger.

        For an adapter that does not read, the walk gives them if the ledger has none.
        """
        kept = [e.cost for e in self.ledger.of(EntryKind.RETRAIN, adapter.strategy) if e.extent is not Extent.UNCHANGED]
        if kept or adapter.reads:
            return kept
        return [row.cost for _, row in self._rows(adapter.strategy, Moment.RETRAINED) if row.cost]

    def _rows(self, strategy: Strategy, moment: Moment) -> Iterator[tuple[str, TimelineRow]]:
        for step in self.timeline.steps[1:] if self.timeline else ():
            yield from ((step.version, row) for row in step.rows if (row.strategy, row.moment) == (strategy, moment))
