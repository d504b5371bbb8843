"""The ledger, read from the runs of an MLflow experiment."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lorag.costs.ledger import (
    EntryKind,
    Extent,
    Ledger,
    LedgerEntry,
    TimeToFresh,
    extent_of_refresh,
    extent_of_retrain,
)
from lorag.costs.records import Cost
from lorag.integrations.mlflow.tracking import TrackingLocation, connect, failures_mapped
from lorag.strategies import Strategy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUNS_A_PAGE = 1_000
_FRESH = "fresh.time_to_fresh_s"
_PLAN = ("added", "changed", "removed", "kept")


def read_runs(location: TrackingLocation, experiment: str, currency: str, *, page: int = RUNS_A_PAGE) -> Ledger:
    """Every finished update and batch of answers of the experiment, newest first; empty where there is none yet.

    `currency` is that of runs that do not name their own. Nothing is made where nothing is there. Raises StoreFailed.
    """
    if location.uri.startswith("sqlite:///") and not Path(location.uri.removeprefix("sqlite:///")).exists():
        return Ledger()
    with failures_mapped(location):
        client = connect(location)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return Ledger()
        runs = [
            (kind, run)
            for kind in EntryKind
            for run in _search(client, found.experiment_id, f"tags.`lorag.kind` = '{kind}'", page)
        ]
        fresh = tuple(_read_fresh(client, found.experiment_id, page))
    entries = [_entry(kind, run, currency) for kind, run in runs]
    known = sorted((entry for entry in entries if entry), key=lambda entry: entry.started_utc, reverse=True)
    return Ledger(tuple(known), len(entries) - len(known), fresh=fresh)


def _search(client: "MlflowClient", experiment_id: str, wanted: str, page: int) -> "Iterator[Run]":
    token = None
    while True:
        found = client.search_runs(
            [experiment_id], f"{wanted} AND attributes.status = 'FINISHED'", max_results=page, page_token=token
        )
        yield from found
        token = found.token
        if not token:
            return


def _read_fresh(client: "MlflowClient", experiment_id: str, page: int) -> Iterator[TimeToFresh]:
    """Newest first, whatever kind of run they stand on."""
    for run in _search(client, experiment_id, f"metrics.`{_FRESH}` >= 0", page):
        strategy = _strategy(run.data.tags, "lorag.strategy")
        if strategy is not None:
            yield TimeToFresh(strategy, float(run.data.metrics[_FRESH]), run.info.run_id)


def _entry(kind: EntryKind, run: "Run", currency: str) -> LedgerEntry | None:
    tags, metrics = run.data.tags, run.data.metrics
    cost = Cost.from_metrics(metrics, run.data.params.get("costs.currency", currency))
    strategy = _strategy(tags, "lorag.adapter" if kind is EntryKind.RETRAIN else "lorag.strategy")
    n_queries = int(metrics.get("queries", 0))
    # A retrain of an unknown adapter and answers to no question can be put down to nothing.
    if cost is None or (kind is not EntryKind.REFRESH and strategy is None):
        return None
    if kind is EntryKind.ANSWERS and not n_queries:
        return None
    return LedgerEntry(
        kind,
        None if kind is EntryKind.REFRESH else strategy,
        run.info.run_id,
        tags.get("lorag.release"),
        datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds"),
        cost,
        _extent(kind, strategy, run, cost),
        n_queries if kind is EntryKind.ANSWERS else None,
        tags.get("lorag.cost_source"),
        _below("quality.", metrics),
        _below("speed.", metrics),
    )


def _extent(kind: EntryKind, strategy: Strategy | None, run: "Run", cost: Cost) -> Extent | None:
    metrics = run.data.metrics
    if kind is EntryKind.RETRAIN:
        return extent_of_retrain(cost.use.tokens_trained, run.data.params.get(f"training.{strategy}.start"))
    if kind is EntryKind.REFRESH and all(f"plan.{name}" in metrics for name in _PLAN):
        return extent_of_refresh(**{name: metrics[f"plan.{name}"] for name in _PLAN})
    return None


def _strategy(tags: Mapping[str, str], name: str) -> Strategy | None:
    return Strategy(tags[name]) if tags.get(name) in tuple(Strategy) else None


def _below(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
