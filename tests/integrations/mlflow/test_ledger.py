from dataclasses import replace
from pathlib import Path

import pytest

from lorag.costs.ledger import EntryKind, Extent, Ledger
from lorag.costs.records import Cost, Machine, Use
from lorag.integrations.mlflow.ledger import machine_tag, read_runs
from lorag.integrations.mlflow.tracking import TrackingLocation, locate_tracking, start_run

COST = Cost(
    Use(wall_s=20.0, cpu_s=30.0, peak_rss_mb=500.0, bytes_written=10, tokens_embedded=7, kwh=0.001), 0.01, "EUR"
)


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> TrackingLocation:
    """One database for all tests: making it takes seconds."""
    return locate_tracking(tmp_path_factory.mktemp("state"), {})


def log(
    location: TrackingLocation,
    experiment: str,
    tags: dict[str, str],
    metrics: dict[str, float],
    params: dict[str, object] | None = None,
) -> str:
    with start_run(location, experiment, "run", {f"lorag.{name}": value for name, value in tags.items()}) as run:
        run.log_metrics(metrics)
        run.log_params(params or {})
    return run.run_id


PLAN = {"plan.added": 0, "plan.changed": 3, "plan.removed": 0, "plan.kept": 97}


def test_updates_and_answers_come_back_as_they_were_logged_newest_first(location: TrackingLocation) -> None:
    trained = Cost(replace(COST.use, tokens_trained=5000), 0.01, "CHF")
    refresh = log(location, "all", {"kind": "refresh", "release": "000002-b"}, COST.as_metrics() | PLAN)
    retrain = log(
        location,
        "all",
        {"kind": "retrain", "adapter": "tuned", "extent": "incremental"},
        trained.as_metrics(),
        {"costs": {"currency": "CHF"}},
    )
    answers = log(
        location,
        "all",
        {"kind": "answers", "strategy": "rag", "cost_source": "streamed"},
        COST.as_metrics() | {"queries": 200, "quality.accuracy": 0.8, "speed.p95_s": 0.4},
    )
    ledger = read_runs(location, "all", "EUR")

    found = {entry.run_id: entry for entry in ledger.entries}
    assert set(found) == {refresh, retrain, answers}
    assert [entry.started_utc for entry in ledger.entries] == sorted(
        (entry.started_utc for entry in ledger.entries), reverse=True
    )
    assert found[refresh].cost == COST
    assert (found[refresh].extent, found[refresh].release) == (Extent.INCREMENTAL, "000002-b")
    assert (found[retrain].strategy, found[retrain].extent) == ("tuned", Extent.INCREMENTAL)
    assert found[retrain].cost.currency == "CHF", "as the run says, whatever params say today"
    assert (found[answers].kind, found[answers].n_queries) == (EntryKind.ANSWERS, 200)
    assert found[answers].source == "streamed"
    assert found[answers].quality == {"accuracy": 0.8}
    assert found[answers].speed == {"p95_s": 0.4}


def retrain(location: TrackingLocation, experiment: str, *, tokens: int, sha256: str, **tags: str) -> str:
    """A run of an adapter whose params continue from the champion."""
    cost = Cost(replace(COST.use, tokens_trained=tokens), 0.01, "EUR")
    named = {"kind": "retrain", "adapter": "tuned", "adapter_sha256": sha256, **tags}
    return log(location, experiment, named, cost.as_metrics(), {"training": {"tuned": {"start": "champion"}}})


def test_the_extent_of_a_retrain_is_the_recorded_one_whatever_params_say(location: TrackingLocation) -> None:
    first = retrain(location, "recorded", tokens=9, sha256="a", extent="full")
    second = retrain(location, "recorded", tokens=5, sha256="b", extent="incremental")
    idle = retrain(location, "recorded", tokens=0, sha256="b", extent="unchanged")

    extents = {entry.run_id: entry.extent for entry in read_runs(location, "recorded", "EUR").entries}
    assert extents == {first: Extent.FULL, second: Extent.INCREMENTAL, idle: Extent.UNCHANGED}


def test_of_runs_that_do_not_say_the_oldest_training_is_full_and_bytes_seen_before_were_restored(
    location: TrackingLocation,
) -> None:
    idle = retrain(location, "old", tokens=0, sha256="0")
    first = retrain(location, "old", tokens=9, sha256="a")
    second = retrain(location, "old", tokens=5, sha256="b")
    back = retrain(location, "old", tokens=9, sha256="a")

    found = {entry.run_id: entry for entry in read_runs(location, "old", "EUR").entries}
    assert {run: entry.extent for run, entry in found.items()} == {
        idle: Extent.UNCHANGED,
        first: Extent.FULL,
        second: Extent.INCREMENTAL,
        back: Extent.UNCHANGED,
    }
    assert found[back].cost.use.tokens_trained == 0


def test_pages_are_read_to_the_end(location: TrackingLocation) -> None:
    for _ in range(5):
        log(location, "paged", {"kind": "refresh"}, COST.as_metrics() | PLAN)
    assert len(read_runs(location, "paged", "EUR", page=2).entries) == 5


def test_what_tells_no_cost_is_skipped_and_counted_and_what_failed_is_no_entry(location: TrackingLocation) -> None:
    kept = log(location, "partial", {"kind": "refresh"}, COST.as_metrics())
    log(location, "partial", {"kind": "refresh"}, PLAN)
    log(location, "partial", {"kind": "answers", "strategy": "rag"}, COST.as_metrics())
    log(location, "partial", {"kind": "retrain", "adapter": "other"}, COST.as_metrics())
    log(location, "partial", {"kind": "search"}, COST.as_metrics())
    with pytest.raises(KeyError), start_run(location, "partial", "failed", {"lorag.kind": "refresh"}) as run:
        run.log_metrics(COST.as_metrics())
        raise KeyError
    ledger = read_runs(location, "partial", "EUR")

    assert [entry.run_id for entry in ledger.entries] == [kept]
    assert ledger.n_skipped == 3
    assert ledger.entries[0].extent is None, "a run without its plan does not say how much it did"


def test_times_to_fresh_are_those_of_changes_on_whatever_run_they_stand(location: TrackingLocation) -> None:
    def walk(tags: dict[str, str], seconds: list[float]) -> None:
        named = {f"lorag.{name}": value for name, value in tags.items()}
        with start_run(location, "fresh", "walk", {"lorag.kind": "timeline", **named}) as run:
            for step, value in enumerate(seconds, start=1):
                run.log_metrics({"fresh.time_to_fresh_s": value}, step=step)

    walk({"strategy": "rag"}, [99.0, 20.0, 25.0])
    walk({"strategy": "rag"}, [99.0, 30.0])
    walk({"strategy": "tuned"}, [99.0])
    walk({}, [1.0, 1.0])
    fresh = read_runs(location, "fresh", "EUR").fresh

    assert sorted((one.strategy, one.seconds) for one in fresh) == [("rag", 20.0), ("rag", 25.0), ("rag", 30.0)]
    assert len({one.run_id for one in fresh}) == 2


def test_a_workspace_without_runs_has_an_empty_ledger_and_no_database(
    tmp_path: Path, location: TrackingLocation
) -> None:
    assert read_runs(locate_tracking(tmp_path, {}), "lorag", "EUR") == Ledger()
    assert list(tmp_path.iterdir()) == []
    log(location, "another", {"kind": "refresh"}, COST.as_metrics())
    assert read_runs(location, "nothing here", "EUR") == Ledger()


def test_an_entry_names_the_machine_that_its_run_names(location: TrackingLocation) -> None:
    machine = Machine("Cortex-A76", 4, ("Orin",))
    (tag,) = machine_tag(replace(COST, machine=machine)).values()
    for found in (tag, '{"processor": "x"}', "no json", "[]"):
        log(location, "machines", {"kind": "refresh", "machine": found}, COST.as_metrics())
    log(location, "machines", {"kind": "refresh", **machine_tag(COST)}, COST.as_metrics())
    entries = read_runs(location, "machines", "EUR").entries
    assert [entry.cost.machine for entry in entries] == [None, None, None, None, machine]
