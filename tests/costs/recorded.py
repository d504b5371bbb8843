"""The recorded walks of docs/reports, with the ledger that they left."""

import json
from dataclasses import replace
from pathlib import Path

from lorag.costs.ledger import EntryKind, Extent, Ledger, LedgerEntry, Outcome
from lorag.costs.records import Cost, Use
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Moment, Timeline, TimelineRow
from lorag.strategies import READER, Strategy

REPORTS = Path(__file__).parents[2] / "docs" / "reports"


def recorded_timeline(walk: str) -> Timeline:
    """The timeline of `sample` or `wikipedia`."""
    return Timeline.from_json(json.loads((REPORTS / walk / "timeline.json").read_text()))


def recorded_comparison(walk: str) -> Comparison:
    """The comparison at the last version of the walk."""
    return Comparison.from_json(json.loads((REPORTS / walk / "comparison.json").read_text()))


def recorded_ledger(walk: str) -> Ledger:
    """The refreshes and retrains of the walk, and of the sample the answers too; those of Wikipedia were not kept."""
    timeline = recorded_timeline(walk)
    entries = [entry for number, step in enumerate(timeline.steps) for entry in _updates(number, step.rows)]
    if walk == "sample":
        costs = json.loads((REPORTS / walk / "costs.json").read_text())
        answers = [LedgerEntry.from_json(value) for value in costs["entries"] if value["kind"] == "answers"]
        entries += [replace(entry, started_utc="2026-11-29") for entry in answers]
    return Ledger(tuple(reversed(entries)), fresh=timeline.times_to_fresh())


def _updates(number: int, rows: tuple[TimelineRow, ...]) -> list[LedgerEntry]:
    """The updates of a step, oldest first."""
    extent = Extent.INCREMENTAL if number else Extent.FULL
    day = f"2026-11-2{number}"
    refresh = next(row.cost for row in rows if row.strategy is READER)
    assert refresh is not None
    found = [LedgerEntry(EntryKind.REFRESH, None, f"refresh{number}", None, day, refresh, extent)]
    for row in rows:
        if row.moment is Moment.RETRAINED and row.cost is not None:
            cost = _less(row.cost, refresh) if row.strategy.profile.reads else row.cost
            outcome = Outcome.REFUSED if row.failed_probes else Outcome.PUBLISHED
            found.append(_retrain(row.strategy, number, day, cost, extent, outcome))
    return found


def _retrain(strategy: Strategy, number: int, day: str, cost: Cost, extent: Extent, outcome: Outcome) -> LedgerEntry:
    run = f"{strategy}{number}"
    return LedgerEntry(EntryKind.RETRAIN, strategy, run, None, day, cost, extent, outcome=outcome)


def _less(both: Cost, refresh: Cost) -> Cost:
    """The cost of the retrain alone, of a row that has the refresh in it."""
    use, less = both.use, refresh.use
    return replace(
        both,
        use=Use(wall_s=use.wall_s - less.wall_s, cpu_s=use.cpu_s - less.cpu_s, kwh=use.kwh - less.kwh),
        money=both.money - refresh.money,
    )
