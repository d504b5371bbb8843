"""What an update cost that failed or was killed, and what it takes to be told."""

import os
import subprocess
from pathlib import Path

import pytest

from lorag.costs.ledger import EntryKind, Extent, Outcome
from lorag.costs.records import Cost, Use
from lorag.errors import GateRefused, InputRejected
from lorag.integrations.mlflow.tracking import Period, connect, locate_tracking, start_run
from lorag.params_file import load_params
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.asking.unlogged_costs import Note, Trained, UnloggedCosts, read_notes
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.workspace import Workspace

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")
TUNED = AdapterKind.TUNED


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def ended_process() -> int:
    with subprocess.Popen(["true"]) as process:
        return process.pid


@pytest.mark.parametrize(
    ("error", "outcome"), [(GateRefused("no"), Outcome.REFUSED), (InputRejected("bad"), Outcome.FAILED)]
)
def test_what_failed_is_an_entry_at_once(workspace: Workspace, error: Exception, outcome: Outcome) -> None:
    with pytest.raises(type(error)), UnloggedCosts(workspace, PARAMS).meter(EntryKind.REFRESH) as meter:
        meter.add_tokens(embedded=7)
        raise error
    (entry,) = (note.entry() for note in read_notes(workspace))
    assert (entry.kind, entry.outcome, entry.cost.use.tokens_embedded) == (EntryKind.REFRESH, outcome, 7)
    assert entry.cost.use.wall_s > 0


def test_a_part_whose_cost_another_record_takes_is_an_entry_only_if_it_fails(workspace: Workspace) -> None:
    costs = UnloggedCosts(workspace, PARAMS)
    with costs.meter(EntryKind.RETRAIN, TUNED, is_part=True) as meter:
        pass
    assert read_notes(workspace) == [] and meter.stop().use.wall_s > 0
    with pytest.raises(GateRefused), costs.meter(EntryKind.RETRAIN, TUNED, is_part=True):
        raise GateRefused("no")
    assert [note.outcome for note in read_notes(workspace)] == [Outcome.REFUSED]


def test_faults_16_a_killed_training_is_an_entry_with_the_tokens_that_it_read(workspace: Workspace) -> None:
    path = workspace.unlogged_costs / "retrain-1.json"
    cost = Cost(Use(wall_s=50.0, cpu_s=80.0), 0.01, "EUR")
    Note(path, EntryKind.RETRAIN, TUNED, 0.0, cost, pid=ended_process()).write()
    Trained(4_632, None).write(workspace.trained_file(TUNED))
    (entry,) = (note.entry() for note in read_notes(workspace))
    assert (entry.strategy, entry.outcome, entry.extent) == (Strategy.TUNED, Outcome.FAILED, Extent.FULL)
    assert (entry.cost.use.tokens_trained, entry.cost.use.wall_s) == (4_632, 50.0)


def test_an_update_that_is_under_way_elsewhere_is_left_to_tell_its_own_cost(workspace: Workspace) -> None:
    cost = Cost(Use(wall_s=50.0), 0.01, "EUR")
    path = workspace.unlogged_costs / "refresh-1.json"
    Note(path, EntryKind.REFRESH, None, 0.0, cost, pid=os.getppid()).write()
    assert read_notes(workspace) == []


def test_an_update_that_ended_logs_what_others_left_and_forgets_its_own(workspace: Workspace) -> None:
    with pytest.raises(GateRefused), UnloggedCosts(workspace, PARAMS).meter(EntryKind.REFRESH):
        raise GateRefused("no")
    costs = UnloggedCosts(workspace, PARAMS)
    with costs.meter(EntryKind.REFRESH) as meter:
        meter.add_tokens(embedded=900)
    costs.keep_ahead(EntryKind.REFRESH, meter.stop())
    with costs.meter(EntryKind.RETRAIN, TUNED):
        pass
    costs.settle(locate_tracking(workspace.state, {}))
    assert list(workspace.unlogged_costs.iterdir()) == []
    ahead, refused = read_ledger(workspace, PARAMS, {}).entries
    assert (ahead.outcome, ahead.cost.use.tokens_embedded) == (Outcome.AHEAD, 900)
    assert (refused.outcome, refused.kind) == (Outcome.REFUSED, EntryKind.REFRESH)


def test_faults_16_what_was_published_and_not_logged_is_an_entry_of_the_next_update(workspace: Workspace) -> None:
    costs = UnloggedCosts(workspace, PARAMS)
    with costs.meter(EntryKind.REFRESH):
        pass
    costs.end(Outcome.PUBLISHED, Extent.INCREMENTAL)
    costs.settle(locate_tracking(workspace.state, {}), unlogged=[None])
    assert [note.outcome for note in read_notes(workspace)] == [Outcome.PUBLISHED]
    UnloggedCosts(workspace, PARAMS).settle(locate_tracking(workspace.state, {}))
    (entry,) = read_ledger(workspace, PARAMS, {}).entries
    assert (entry.outcome, entry.extent) == (Outcome.PUBLISHED, Extent.INCREMENTAL)


def test_a_run_lasts_as_long_as_the_work_that_it_stands_for(workspace: Workspace) -> None:
    location = locate_tracking(workspace.state, {})
    with start_run(location, "work", "retrain", {}, Period(took_s=420.0, ended_s=1_700_000_420.0)) as run:
        pass
    info = connect(location).get_run(run.run_id).info
    assert (info.start_time, info.end_time) == (1_700_000_000_000, 1_700_000_420_000)
