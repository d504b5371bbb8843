"""The ledger, read from the runs of an MLflow experiment."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from lorag.costs.ledger import (
    EntryKind,
    Extent,
    Ledger,
    LedgerEntry,
    Outcome,
    TimeToFresh,
    extent_of_refresh,
)
from lorag.costs.records import Cost, Machine
from lorag.digests import digest_of
from lorag.integrations.mlflow.tracking import TrackingLocation, connect, failures_mapped
from lorag.strategies import Strategy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

RUNS_A_PAGE = 1_000
_FRESH = "fresh.time_to_fresh_s"
_PLAN = ("added", "changed", "removed", "kept")
_EXTENT = "lorag.extent"
_MACHINE = "lorag.machine"


def machine_tag(cost: Cost | None) -> dict[str, str]:
    """Return the tag of a run that names the machine of its cost; empty if that is unknown."""
    return {_MACHINE: json.dumps(asdict(cost.machine))} if cost and cost.machine else {}


def read_runs(location: TrackingLocation, experiment: str, currency: str, *, page: int = RUNS_A_PAGE) -> Ledger:
    """Read every finished update and batch of answers of the experiment, newest first; empty if there is none yet.

    `currency` is for runs that do not name their own. A missing database or experiment is not created. Raises
    StoreFailed.
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
    told = [(run, entry) for kind, run in runs if (entry := _entry(kind, run, currency)) is not None]
    known = list(reversed([*_settle_old_retrains(told)]))
    return Ledger(tuple(known), len(runs) - len(known), fresh=fresh)


def newest_training(
    location: TrackingLocation, experiment: str, strategy: Strategy, machine: Machine, model: str
) -> Cost | None:
    """Return the cost of the newest whole retrain of this model's adapter on this machine that trained something.

    A retrain that its gate refused counts: it trained and was examined. None if there is none. Raises StoreFailed.
    """
    if location.uri.startswith("sqlite:///") and not Path(location.uri.removeprefix("sqlite:///")).exists():
        return None
    with failures_mapped(location):
        client = connect(location)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return None
        wanted = f"tags.`lorag.kind` = '{EntryKind.RETRAIN}' AND tags.`lorag.adapter` = '{strategy}'"
        for run in _search(client, found.experiment_id, wanted, RUNS_A_PAGE):
            entry = _entry(EntryKind.RETRAIN, run, "")
            is_whole = entry is not None and entry.outcome not in (Outcome.FAILED, Outcome.AHEAD)
            same = run.data.params.get("generation.model") == model and _machine(run.data.tags) == machine
            if entry and is_whole and same and entry.cost.use.tokens_trained and entry.cost.use.wall_s:
                return entry.cost
    return None


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
    """Yield times to fresh, newest first, of any kind of run; steps are versions, and the first one is a build."""
    for run in _search(client, experiment_id, f"metrics.`{_FRESH}` >= 0", page):
        strategy = _strategy(run.data.tags, "lorag.strategy")
        if strategy is not None:
            for point in client.get_metric_history(run.info.run_id, _FRESH):
                if point.step > 1:
                    yield TimeToFresh(strategy, float(point.value), run.info.run_id)


def _entry(kind: EntryKind, run: "Run", currency: str) -> LedgerEntry | None:
    tags, metrics = run.data.tags, run.data.metrics
    cost = Cost.from_metrics(metrics, run.data.params.get("costs.currency", currency), _machine(tags))
    strategy = _strategy(tags, "lorag.adapter" if kind is EntryKind.RETRAIN else "lorag.strategy")
    n_queries = int(metrics.get("queries", 0))
    # A retrain of an unknown adapter, or answers without questions, cannot be assigned to anything.
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
        _extent(kind, strategy, run),
        n_queries if kind is EntryKind.ANSWERS else None,
        tags.get("lorag.cost_source"),
        _below("quality.", metrics),
        _below("speed.", metrics),
        _outcome(kind, tags),
        _settings(kind, strategy, run.data.params),
        bool(tags.get("lorag.limit")),
    )


def _machine(tags: Mapping[str, str]) -> Machine | None:
    # Runs of earlier versions have no such tag, and a tag can be edited in the UI.
    with suppress(KeyError, TypeError, ValueError):
        return Machine.from_json(json.loads(tags[_MACHINE]))
    return None


def _settings(kind: EntryKind, strategy: Strategy | None, params: Mapping[str, str]) -> str:
    """Return a digest of the logged params that the cost of such an entry depends on; empty if there are none."""
    prefixes = {
        EntryKind.REFRESH: ("chunking.", "embedding.", "index.store"),
        EntryKind.RETRAIN: ("generation.model", "training_set.", f"training.{strategy}."),
        EntryKind.ANSWERS: ("generation.", "answering.", "search.", "embedding.model"),
    }[kind]
    found = {name: value for name, value in params.items() if name.startswith(prefixes)}
    return digest_of(found) if found else ""


def _outcome(kind: EntryKind, tags: Mapping[str, str]) -> Outcome | None:
    if tags.get("lorag.outcome") in tuple(Outcome):
        return Outcome(tags["lorag.outcome"])
    if kind is EntryKind.ANSWERS or "lorag.published" not in tags:
        return None
    if tags["lorag.published"] == "true":
        return Outcome.PUBLISHED
    return Outcome.REFUSED if tags.get("lorag.failed_probes") else Outcome.CURRENT


def _extent(kind: EntryKind, strategy: Strategy | None, run: "Run") -> Extent | None:
    metrics, tags = run.data.metrics, run.data.tags
    if tags.get(_EXTENT) in tuple(Extent):
        return Extent(tags[_EXTENT])
    if kind is EntryKind.RETRAIN:
        if not metrics.get("cost.tokens_trained"):
            return Extent.UNCHANGED
        start = run.data.params.get(f"training.{strategy}.start")
        return {"scratch": Extent.FULL, "champion": Extent.INCREMENTAL}.get(start or "")
    if kind is EntryKind.REFRESH and all(f"plan.{name}" in metrics for name in _PLAN):
        return extent_of_refresh(**{name: metrics[f"plan.{name}"] for name in _PLAN})
    return None


def _settle_old_retrains(found: "Sequence[tuple[Run, LedgerEntry]]") -> Iterator[LedgerEntry]:
    """Yield the entries oldest first, with the extent of old retrains that were logged without it.

    The setting `start` alone does not decide it. The oldest training of an adapter had nothing to continue, so it is
    full. Training repeats exactly, so a run with the bytes of an older one restored them and trained nothing.
    """
    trained: dict[Strategy | None, set[str]] = {}
    for run, entry in sorted(found, key=lambda one: int(one[0].info.start_time)):
        settled = entry
        if entry.kind is EntryKind.RETRAIN and entry.cost.use.tokens_trained:
            known = trained.setdefault(entry.strategy, set())
            sha256 = run.data.tags.get("lorag.adapter_sha256", "")
            if _EXTENT not in run.data.tags:
                if sha256 and sha256 in known:
                    use = replace(entry.cost.use, tokens_trained=0)
                    settled = replace(entry, cost=replace(entry.cost, use=use), extent=Extent.UNCHANGED)
                elif not known:
                    settled = replace(entry, extent=Extent.FULL)
            known.add(sha256)
        yield settled


def _strategy(tags: Mapping[str, str], name: str) -> Strategy | None:
    return Strategy(tags[name]) if tags.get(name) in tuple(Strategy) else None


def _below(prefix: str, metrics: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in metrics.items() if name.startswith(prefix)}
