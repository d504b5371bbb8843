"""Evidence that a test makes by hand."""

from collections.abc import Mapping

from lorag.costs.break_even import find_break_even
from lorag.costs.ledger import EntryKind, Extent, Ledger, LedgerEntry
from lorag.costs.records import Cost, Use
from lorag.costs.unit_costs import StoredBytes, Unit, measure
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Freshness, Moment, Timeline, TimelineRow, TimelineStep
from lorag.findings.evidence import Evidence
from lorag.params import BreakEvenParams
from lorag.strategies import Strategy
from tests.costs.measured import COSTS, entry

Span = tuple[float, float, float]
"""Value, low, high."""


def estimate(span: Span, n: int = 100) -> Estimate:
    return Estimate(*span, n)


def compared(
    differences: Mapping[str, Span] | None = None,
    accuracy: Mapping[str, Span] | None = None,
    measure: str = "accuracy",
    kept: Mapping[str, Span] | None = None,
) -> Evidence:
    """A comparison of one measure; `kept` is the accuracy on unchanged facts."""
    return Evidence(
        Comparison(
            questions={"fact": 100, "control": 0, "unanswerable": 0, "style": 0},
            question_set_digest="d",
            confidence=0.95,
            strategies={name: {measure: estimate(span)} for name, span in (accuracy or {}).items()},
            strata={name: {"unchanged": {"accuracy": estimate(span)}} for name, span in (kept or {}).items()},
            differences={pair: {measure: estimate(span)} for pair, span in (differences or {}).items()},
            retrieval=None,
        )
    )


def row(
    strategy: Strategy,
    moment: Moment,
    figures: Mapping[str, tuple[Span, int]] | None = None,
    *,
    fresh_s: float | None = None,
    cost: Cost | None = None,
) -> TimelineRow:
    found = {name: estimate(*each) for name, each in (figures or {}).items()}
    strategy = Strategy(strategy)
    stale = moment is Moment.REFRESHED and strategy.profile.adapter is not None
    return TimelineRow(strategy, moment, stale, None, found, Freshness(1.0, fresh_s, 1, None), cost)


def walked(*steps: tuple[TimelineRow, ...]) -> Evidence:
    """After a first version in which nothing had changed."""
    every = [(row("rag", Moment.REFRESHED, {"removed_leaked": ((1, 1, 1), 1)}),), *steps]
    found = tuple(TimelineStep(f"v{n}", "r", {}, False, rows) for n, rows in enumerate(every, start=1))
    return Evidence(timeline=Timeline(found, None, 0.95, "model"))


def update(
    kind: EntryKind, wall_s: float, *, strategy: Strategy | None = None, extent: Extent, kwh: float = 1e-5
) -> LedgerEntry:
    use = Use(wall_s=wall_s, cpu_s=wall_s, kwh=kwh)
    return entry(kind, strategy, cpu_s=wall_s, use=use, extent=extent, money=wall_s * 1e-5)


def answers(strategy: Strategy, cpu_s: float, **speed: float) -> LedgerEntry:
    return entry(EntryKind.ANSWERS, strategy, cpu_s=cpu_s, n_queries=100, quality={"accuracy": 0.7}, speed=speed)


def paid(*entries: LedgerEntry) -> Evidence:
    """A ledger, newest first, with what follows from it."""
    ledger = Ledger(entries)
    measured = tuple(measure(ledger, StoredBytes(0, {})))
    params = BreakEvenParams(
        updates_per_day=(0.1, 10), queries_per_day=(1, 100), points=2, strategies=("rag", "tuned"), min_accuracy=0
    )
    found = find_break_even(measured, Unit.MONEY, "EUR", COSTS.prices, params)
    return Evidence(ledger=ledger, measured=measured, break_even=found)
