"""A search over a tiny model, with its runs in MLflow."""

import json
from typing import Any

import pytest

from lorag.cli import run
from lorag.errors import ExitStatus, GateRefused, WorkspaceError
from lorag.integrations.mlflow.tracking import connect, locate_tracking
from lorag.params import Params, Precision
from lorag.strategies import AdapterKind
from lorag.tuning.pairs import write_pairs
from lorag.use_cases.retrain import search_params as module
from lorag.use_cases.retrain.search_params import search_params
from tests.use_cases.conftest import Place
from tests.use_cases.retrain.test_train_adapter import PAIRS

TUNED = AdapterKind.TUNED


@pytest.fixture
def ready(place: Place) -> Place:
    """A workspace with a training set, and with settings that suit a tiny model."""
    folder = place.workspace.training_folder(TUNED)
    write_pairs(folder / "train.jsonl", PAIRS)
    write_pairs(folder / "validation.jsonl", PAIRS[:4])
    return place


def narrow(place: Place, **search: Any) -> Params:
    params = place.params
    settings = params.training[AdapterKind.TUNED].model_copy(
        update={
            "precision": Precision.FP32,
            "threads": 1,
            "batch_tokens": 128,
            "rank": 4,
            "alpha": 8.0,
            "learning_rate": 0.01,
        }
    )
    ranges = {"minutes": 5.0, "trials": 3, "epochs": 2, "rank": (4, 8), "learning_rate": (1e-3, 5e-2)} | search
    update = {
        "training": {**params.training, AdapterKind.TUNED: settings},
        "parameter_search": params.parameter_search.model_copy(update=ranges),
    }
    return params.model_copy(update=update)


def test_trials_are_nested_runs_and_the_best_is_printed(ready: Place) -> None:
    before = ready.workspace.params_file.read_bytes()
    outcome = search_params(TUNED, ready.workspace, narrow(ready), {})
    result = outcome.to_json()
    assert [trial["number"] for trial in result["trials"]] == [1, 2, 3]
    assert (result["trials"][0]["rank"], result["trials"][0]["learning_rate"]) == (4, 0.01)
    for trial in result["trials"]:
        assert (trial["epochs"], trial["state"], trial["alpha"]) == (2, "complete", 2.0 * trial["rank"])
    accuracies = [trial["validation_accuracy"] for trial in result["trials"]]
    assert result["best"]["validation_accuracy"] == max(accuracies)
    assert result["params_yaml"][:3] == ["training:", "  tuned:", f"    rank: {result['best']['rank']}"]
    assert result["dvc"].endswith("adapter_evaluation@tuned")
    assert ready.workspace.params_file.read_bytes() == before
    assert not ready.workspace.adapter_folder(TUNED).exists()

    client = connect(locate_tracking(ready.workspace.state, {}))
    parent = client.get_run(outcome.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["cost.tokens_trained"] > 0
    assert parent.data.metrics["best.validation_loss"] == pytest.approx(result["best"]["validation_loss"])
    children = client.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{outcome.run_id}'", order_by=["start_time"]
    )
    assert [child.info.run_name for child in children] == ["trial 1", "trial 2", "trial 3"]
    for child, trial in zip(children, result["trials"], strict=True):
        assert child.data.params["rank"] == str(trial["rank"])
        assert child.data.metrics["cost.wall_s"] > 0
        curve = client.get_metric_history(child.info.run_id, "validation_accuracy")
        assert [point.step for point in curve] == [1, 2]
        assert child.data.tags["lorag.trial_state"] == "complete"


def test_the_same_search_finds_the_same(ready: Place) -> None:
    def tried() -> list[dict[str, Any]]:
        rows = search_params(TUNED, ready.workspace, narrow(ready, trials=2), {}).to_json()["trials"]
        return [{name: value for name, value in row.items() if name != "wall_s"} for row in rows]

    assert tried() == tried()


def test_time_is_up_after_an_epoch(ready: Place) -> None:
    outcome = search_params(TUNED, ready.workspace, narrow(ready, minutes=1e-4, epochs=50), {})
    assert [(trial.state.value, len(trial.epochs)) for trial in outcome.trials] == [("out_of_time", 1)]


def test_where_every_trial_diverges_it_says_so(ready: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: Any) -> None:
        raise GateRefused("the loss became nan")

    monkeypatch.setattr(module, "train_lora", diverge)
    with pytest.raises(GateRefused, match="in each of 3 trials"):
        search_params(TUNED, ready.workspace, narrow(ready), {})


def test_without_a_training_set_it_says_what_to_run(place: Place) -> None:
    with pytest.raises(WorkspaceError, match="dvc repro training_set@hybrid"):
        search_params(AdapterKind.HYBRID, place.workspace, narrow(place), {})


def test_without_held_out_phrasings_there_is_nothing_to_judge_by(ready: Place) -> None:
    write_pairs(ready.workspace.training_folder(TUNED) / "validation.jsonl", [])
    with pytest.raises(WorkspaceError, match="held-out phrasing"):
        search_params(TUNED, ready.workspace, narrow(ready), {})


def test_a_tracking_server_that_is_down_is_said_before_the_training(ready: Place) -> None:
    from lorag.errors import StoreFailed

    with pytest.raises(StoreFailed):
        search_params(TUNED, ready.workspace, narrow(ready), {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"})


def test_the_command_prints_one_object_or_a_table(ready: Place, capsys: pytest.CaptureFixture[str]) -> None:
    text = ready.workspace.params_file.read_text()
    ready.workspace.params_file.write_text(text.replace("epochs: 4 ", "epochs: 1 ", 1))
    at = ["--workspace", str(ready.workspace.root), "search-params", "--trials", "1", "--minutes", "2"]
    assert run([*at, "--json"]) == ExitStatus.OK
    result = json.loads(capsys.readouterr().out)
    assert len(result["trials"]) == 1
    assert run(at) == ExitStatus.OK
    shown = capsys.readouterr()
    assert f"    rank: {result['best']['rank']}" in shown.out.splitlines()
    assert "dvc exp run -S training.tuned.rank=" in shown.out
    assert "Trial 1 of at most 1" in shown.err
