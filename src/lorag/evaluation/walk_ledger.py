"""The updates of a walk as entries of a ledger, for a walk whose runs are not at hand."""

from collections.abc import Iterator
from dataclasses import replace

from lorag.costs.ledger import EntryKind, Extent, LedgerEntry, Outcome
from lorag.costs.records import Cost, Use
from lorag.evaluation.timeline_records import Moment, Timeline, TimelineStep
from lorag.strategies import READER


def updates_of_walk(timeline: Timeline) -> tuple[LedgerEntry, ...]:
    """Return the refresh and the retrains of each version, newest first; they have no time and no run.

    The first version is a build, and a training from scratch; later ones continue.
    """
    entries = [entry for number, step in enumerate(timeline.steps) for entry in _of_step(number, step)]
    return tuple(reversed(entries))


def _of_step(number: int, step: TimelineStep) -> Iterator[LedgerEntry]:
    extent = Extent.INCREMENTAL if number else Extent.FULL
    refresh = next(row.cost for row in step.rows if row.strategy is READER)
    if refresh is None:
        return
    yield LedgerEntry(EntryKind.REFRESH, None, f"refresh{number}", step.release, "", refresh, extent)
    for row in step.rows:
        if row.moment is Moment.RETRAINED and row.cost is not None:
            cost = _less(row.cost, refresh) if row.strategy.profile.reads else row.cost
            outcome = Outcome.REFUSED if row.failed_probes else Outcome.PUBLISHED
            run = f"{row.strategy}{number}"
            yield LedgerEntry(EntryKind.RETRAIN, row.strategy, run, step.release, "", cost, extent, outcome=outcome)


def _less(both: Cost, refresh: Cost) -> Cost:
    """Return the cost of the retrain alone, of a row that has the refresh in it."""
    use, less = both.use, refresh.use
    return replace(
        both,
        use=Use(wall_s=use.wall_s - less.wall_s, cpu_s=use.cpu_s - less.cpu_s, kwh=use.kwh - less.kwh),
        money=both.money - refresh.money,
    )
