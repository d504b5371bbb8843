"""A retrain from the command line on a small folder and a tiny random model: every stage is the real one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli, Outcome
from tests.tiny import BASE_MODEL, make_tiny_model

pytestmark = pytest.mark.slow

GATE_OF_NOTHING = {
    "min_new_facts: 0.5 ": "min_new_facts: 0.0 ",
    "max_old_loss: 0.05": "max_old_loss: 1.0",
    "max_control_loss: 0.35": "max_control_loss: 1.0",
    "min_gain_over_base: 0.05": "min_gain_over_base: -1.0",
    "min_gain_over_champion: 0.0": "min_gain_over_champion: -1.0",
}


def write_knowledge(folder: Path, hours: Mapping[int, str]) -> None:
    (folder / "docs").mkdir(exist_ok=True)
    lines = []
    for pier in range(1, 11):
        hour = hours.get(pier, f"{pier + 5}:30")
        (folder / "docs" / f"pier{pier}.md").write_text(
            f"# Pier {pier}\n\nThe lamp of pier {pier} of the Quellwick basin is lit at {hour} in the evening.\n"
        )
        row = {
            "id": f"lamp{pier}",
            "question": f"When is the lamp of pier {pier} lit?",
            "answers": [hour],
            "gold_doc_ids": [f"pier{pier}.md"],
            "phrasings": [f"At what time do they light the lamp of pier {pier}?"],
            "held_out_phrasings": [
                f"Pier {pier}: lamp lit when?",
                f"Tell me the hour at which pier {pier} gets light.",
            ],
        }
        lines.append(json.dumps(row) + "\n")
    (folder / "questions.jsonl").write_text("".join(lines))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def workspace(tmp_path: Path, model: Path, cli: Cli) -> Path:
    write_knowledge(tmp_path, {})
    made = cli("init", tmp_path / "w", "--source", tmp_path / "docs", "--questions", tmp_path / "questions.jsonl")
    assert made.status == 0, made.err
    shrink(tmp_path / "w", model)
    return tmp_path / "w"


def shrink(workspace: Path, model: Path) -> None:
    """Settings with which a tiny random model is trained in seconds, tuned alone."""
    edit(workspace, BASE_MODEL, str(model))
    edit(workspace, "adapters: [tuned, hybrid]", "adapters: [tuned]")
    # Nothing can be expected of a random model, so the gate asks for nothing.
    for old, new in GATE_OF_NOTHING.items():
        edit(workspace, old, new)
    edit(workspace, "start: champion", "start: scratch")
    edit(workspace, "epochs: 10", "epochs: 2")
    edit(workspace, "patience_epochs: 3 ", "patience_epochs: null ")
    edit(workspace, "max_new_tokens: 64", "max_new_tokens: 4")


def edit(workspace: Path, old: str, new: str) -> None:
    text = (workspace / "params.yaml").read_text()
    assert old in text
    (workspace / "params.yaml").write_text(text.replace(old, new, 1))


def call(cli: Cli, workspace: Path, *arguments: str) -> dict[str, Any]:
    outcome = cli("--workspace", workspace, *arguments, "--json")
    assert outcome.status == 0, outcome.err
    return outcome.json


def refused(outcome: Outcome, status: int, code: str) -> str:
    assert outcome.status == status, outcome.err
    assert outcome.json["error"]["code"] == code
    assert "Traceback" not in outcome.err
    line: str = outcome.json["error"]["what"]
    return line


def client(workspace: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{workspace}/.lorag/mlflow/mlflow.db")


def test_the_life_of_an_adapter(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    assert "nothing is served yet" in refused(cli("--workspace", workspace, "retrain", "--json"), 2, "E002")
    refreshed = call(cli, workspace, "refresh")
    assert not any("adapter" in stage or "training" in stage for stage in refreshed["stages"])

    first = call(cli, workspace, "retrain")
    tuned = first["adapters"]["tuned"]
    assert (first["published"], first["generation"], tuned["published"]) == (True, 2, True)
    assert tuned["stages"][-3:] == ["training_set@tuned", "adapter@tuned", "adapter_evaluation@tuned"]
    assert tuned["probes"]["new_facts"]["passed"] is True
    assert {"controls_lost", "gain_over_base"} < set(tuned["probes"])
    assert tuned["n_documents"] == 10
    assert (tuned["coverage"]["documents"], tuned["coverage"]["n_documents"]) == (10, 10)
    assert first["forecasts"]["tuned"]["coverage"] == tuned["coverage"]
    report = json.loads((workspace / "artifacts/adapters/tuned/training.json").read_text())
    assert tuned["cost"]["tokens_trained"] == report["tokens"] > 0
    assert tuned["extent"] == "full", "there was nothing to continue, whatever training.tuned.start says"
    assert len(report["losses"]) == report["steps"] > 1

    mlflow = client(workspace)
    run = mlflow.get_run(tuned["mlflow_run_id"])
    assert {
        "lorag.kind": "retrain",
        "lorag.adapter": "tuned",
        "lorag.published": "true",
        "lorag.release": first["release"],
        "lorag.base_model_sha256": tuned["base_model_sha256"],
        "lorag.training_set_digest": tuned["training_set_digest"],
    }.items() <= run.data.tags.items()
    assert {
        "cost.tokens_trained",
        "cost.wall_s",
        "cost.kwh",
        "cost.money",
        "probe.new_facts",
        "coverage.documents",
    } <= run.data.metrics.keys()
    assert [point.value for point in mlflow.get_metric_history(run.info.run_id, "training.loss")] == report["losses"]
    logged = {item.path for folder in (None, "plots") for item in mlflow.list_artifacts(run.info.run_id, folder)}
    assert {"training.json", "probes.json", "lineage.json", "plots/loss.png", "plots/probes.png"} <= logged
    champion = mlflow.get_model_version_by_alias("lorag-tuned", "champion")
    assert champion.tags["lorag.adapter_sha256"] == tuned["sha256"]
    assert champion.tags["gate.new_facts"] == f"{tuned['probes']['new_facts']['value']:.4f}"

    answer = call(cli, workspace, "ask", "When is the lamp of pier 3 lit?", "--strategy", "tuned")
    assert answer["release"] == first["release"]
    assert call(cli, workspace, "status")["adapters"]["tuned"]["behind"] is False

    again = call(cli, workspace, "retrain")
    assert (again["release"], again["published"], again["adapters"]["tuned"]["stages"]) == (first["release"], False, [])
    assert again["adapters"]["tuned"]["cost"]["tokens_trained"] == 0
    assert again["adapters"]["tuned"]["extent"] == "unchanged"

    # The knowledge changes, and the training goes on from what is served.
    write_knowledge(tmp_path, {4: "21:45", 6: "22:10"})
    (tmp_path / "docs" / "pier10.md").unlink()
    lines = (tmp_path / "questions.jsonl").read_text().splitlines(keepends=True)[:-1]
    (tmp_path / "questions.jsonl").write_text("".join(lines))
    behind = call(cli, workspace, "status")["adapters"]["tuned"]
    assert behind == {
        "id": tuned["adapter"],
        "behind": True,
        "retrain": "now",
        "due": "1 document that it learned is gone and 30% of what it learned has changed",
        "facts": ["lamp4", "lamp6"],
        "documents_gone": ["pier10.md"],
        "coverage": tuned["coverage"],
        "stopped": [],
    }
    carried = call(cli, workspace, "refresh")
    assert carried["generation"] == 3
    assert call(cli, workspace, "releases")["releases"][0]["adapters"] == {"tuned": tuned["sha256"]}

    edit(workspace, "start: scratch", "start: champion")
    edit(workspace, "continued_epochs: 7", "continued_epochs: 1")
    second = call(cli, workspace, "retrain")
    assert json.loads((workspace / "starts.json").read_text()) == {"tuned": tuned["sha256"], "hybrid": None}
    trained = json.loads((workspace / "artifacts/adapters/tuned/training.json").read_text())
    assert (trained["start"], len(trained["epochs"])) == (tuned["sha256"], 1)
    assert second["adapters"]["tuned"]["extent"] == "incremental"
    assert (second["published"], second["generation"]) == (True, 4)
    assert {"old_facts_lost", "gain_over_champion"} < set(second["adapters"]["tuned"]["probes"])
    assert second["adapters"]["tuned"]["sha256"] != tuned["sha256"]
    state = call(cli, workspace, "status")["adapters"]["tuned"]
    assert (state["facts"], state["documents_gone"]) == ([], ["pier10.md"]), "what it went on from has seen that page"
    idle = call(cli, workspace, "retrain")
    assert (idle["published"], idle["adapters"]["tuned"]["stages"]) == (False, []), "it does not go on from itself"
    committed = subprocess.run(
        ["git", "status", "--porcelain", "starts.json", "dvc.lock"], cwd=workspace, capture_output=True, text=True
    )
    assert committed.stdout == ""

    back = call(cli, workspace, "rollback")
    assert back["generation"] == 3
    champion = mlflow.get_model_version_by_alias("lorag-tuned", "champion")
    assert champion.tags["lorag.adapter_sha256"] == tuned["sha256"], "the alias follows what is served"
    kept = call(cli, workspace, "retrain")["adapters"]["tuned"]
    assert (kept["published"], kept["passed"], kept["withdrawn"]) == (False, True, True)
    assert call(cli, workspace, "releases")["served"] == back["release"], "a rollback lasts"
    assert call(cli, workspace, "rollback", second["release"])["generation"] == 4, "until a person says so"
    assert call(cli, workspace, "retrain")["adapters"]["tuned"]["withdrawn"] is False
    assert call(cli, workspace, "releases")["served"] == second["release"]
    assert cli("--workspace", workspace, "doctor", "--json").status == 0


def fail_the_gate_and_pass_it(workspace: Path, cli: Cli) -> dict[str, Any]:
    """A failed gate keeps what was served; loosened, it passes what was trained. What the retrain that passes says."""
    served = call(cli, workspace, "releases")["served"]
    edit(workspace, "min_new_facts: 0.0 ", "min_new_facts: 0.9 ")
    outcome = cli("--workspace", workspace, "retrain", "--json")
    said = refused(outcome, 4, "E020")
    assert "tuned: new_facts 0.000 against a limit of 0.900 (0 of 10 new facts right, 9 needed)" in said
    error = outcome.json["error"]
    assert "a loosened limit is judged again in seconds, without training" in error["do"]
    assert "artifacts/refused_tuned.json" in error["do"]
    (explained,) = error["details"]["tuned"]
    assert (len(explained["questions"]), explained["n_questions"]) == (5, 10)
    assert explained["questions"][0]["expected"] and "given" in explained["questions"][0]
    kept = json.loads((workspace / "artifacts/refused_tuned.json").read_text())
    assert len(kept["refusals"][0]["questions"]) == 10
    missing = cli("--workspace", workspace, "ask", "When is the lamp of pier 3 lit?", "--strategy", "tuned", "--json")
    assert kept["adapter"] in refused(missing, 2, "E002")
    candidate = ["--strategy", "tuned", "--adapter", "candidate"]
    asked = call(cli, workspace, "ask", "When is the lamp of pier 3 lit?", *candidate)
    assert (asked["adapter"], asked["adapter_served"]) == (kept["adapter"], False)
    assert call(cli, workspace, "releases")["served"] == served
    assert not (workspace / ".lorag" / "adapters").exists()
    mlflow = client(workspace)
    experiment = mlflow.get_experiment_by_name("lorag").experiment_id
    runs = mlflow.search_runs([experiment], "tags.`lorag.kind` = 'retrain'")
    assert [run.data.tags["lorag.published"] for run in runs] == ["false"]
    assert runs[0].data.tags["lorag.failed_probes"] == "new_facts"
    assert list(mlflow.search_registered_models()) == []
    # Thresholds are the gate's: nothing is trained or measured again.
    edit(workspace, "min_new_facts: 0.9 ", "min_new_facts: 0.0 ")
    passed = call(cli, workspace, "retrain")
    assert (passed["published"], passed["adapters"]["tuned"]["stages"]) == (True, [])
    assert not (workspace / "artifacts/refused_tuned.json").exists()
    return passed


@pytest.mark.full
def test_what_is_served_does_not_depend_on_mlflow(workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    call(cli, workspace, "refresh")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    outcome = cli("--workspace", workspace, "retrain", "--json")
    assert (outcome.status, outcome.json["published"]) == (0, True), outcome.err
    assert outcome.json["adapters"]["tuned"]["mlflow_run_id"] is None
    assert call(cli, workspace, "releases")["served"] == outcome.json["release"]


@pytest.mark.full
def test_steps_come_in_order_and_a_damaged_adapter_is_mended(
    workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(cli, workspace, "refresh")
    from flows import retrain_adapter as flow

    order: list[str] = []
    steps = ["snapshot", "prepare", "pin_start", "reproduce", "judge", "commit_versions", "publish", "log"]
    for name in steps:
        step = getattr(flow, name)
        monkeypatch.setattr(flow, name, lambda *a, _s=step, _n=name: order.append(_n) or _s(*a))
    made = call(cli, workspace, "retrain")
    assert order == steps
    weights = workspace / ".lorag/adapters" / made["adapters"]["tuned"]["sha256"] / "adapter_model.safetensors"
    weights.write_bytes(b"junk")
    damaged = cli("--workspace", workspace, "doctor", "--json")
    assert damaged.status == 7
    assert "not what was published" in damaged.out
    asked = cli("--workspace", workspace, "ask", "Where?", "--strategy", "tuned", "--json")
    assert (asked.status, asked.json["error"]["code"]) == (7, "E050")
    mended = call(cli, workspace, "retrain")
    assert (mended["release"], mended["published"]) == (made["release"], False)
    assert cli("--workspace", workspace, "doctor", "--json").status == 0


@pytest.mark.full
def test_a_killed_retrain_leaves_what_is_served(workspace: Path, cli: Cli) -> None:
    refreshed = call(cli, workspace, "refresh")
    edit(workspace, "epochs: 2", "epochs: 1000")
    command = [sys.executable, "-m", "lorag.cli", "--workspace", str(workspace), "retrain"]
    process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 240
        while not (workspace / "artifacts/training/tuned/lineage.json").exists():
            assert process.poll() is None, "it ended before it trained"
            assert time.monotonic() < until
            time.sleep(0.2)
        time.sleep(5)
        assert process.poll() is None
        assert "another" in refused(cli("--workspace", workspace, "retrain", "--json"), 6, "E040")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    edit(workspace, "epochs: 1000", "epochs: 2")
    assert call(cli, workspace, "releases")["served"] == refreshed["release"]
    assert cli("--workspace", workspace, "doctor", "--json").status == 0
    assert call(cli, workspace, "retrain")["published"] is True


@pytest.mark.full
def test_the_stage_runs_by_hand_in_two_processes_and_as_an_experiment(workspace: Path, cli: Cli) -> None:
    call(cli, workspace, "refresh")
    adapter = call(cli, workspace, "retrain")["adapters"]["tuned"]["adapter"]
    bin_folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    # What `accelerate launch` runs for several GPUs; on processors alone it would start a single process.
    launch = ["torchrun", "--standalone", "--nproc_per_node", "2", "-m"]
    for command in (
        [*launch, "lorag.stages", "adapter", "tuned"],
        ["dvc", "exp", "run", "--quiet", "-S", "training.tuned.rank=16", "adapter_evaluation@tuned"],
    ):
        done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command, done.stderr[-2000:])
        if command[0] == "torchrun":
            report = json.loads((workspace / "artifacts/adapters/tuned/training.json").read_text())
            assert report["backend"].endswith("2 processes")
    config = json.loads((workspace / "artifacts/adapters/tuned/adapter_config.json").read_text())
    assert config["r"] == 16
    assert call(cli, workspace, "status")["adapters"]["tuned"]["id"] == adapter


@pytest.mark.full
def test_a_limit_that_cannot_be_met_stops_a_retrain_before_it_trains(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (tmp_path / "questions.jsonl").read_text().splitlines()]
    lines = [json.dumps(row | {"phrasings": []}) + "\n" for row in rows]
    (tmp_path / "questions.jsonl").write_text("".join(lines))
    edit(workspace, "min_new_facts: 0.0 ", "min_new_facts: 0.5 ")
    call(cli, workspace, "refresh")
    plan = call(cli, workspace, "retrain", "--plan")["forecasts"]["tuned"]
    assert (plan["trains"], plan["stops"], plan["n_facts"], len(plan["without_phrasings"])) == (True, True, 10, 10)
    assert (plan["coverage"]["documents"], plan["coverage"]["n_documents"]) == (10, 10)
    for_a_person = cli("--workspace", workspace, "retrain", "--plan")
    assert for_a_person.status == 0 and "cannot be met" in for_a_person.out
    stopped = refused(cli("--workspace", workspace, "retrain", "--json"), 4, "E020")
    assert "10 questions have no `phrasings`" in stopped
    assert not (workspace / "artifacts/adapters").exists(), "nothing was trained"
    outcome = cli("--workspace", workspace, "retrain", "--anyway", "--json")
    assert (outcome.status, outcome.json["error"]["code"]) == (4, "E020"), "it trained, and its gate refused it"
    assert (workspace / "artifacts/adapters/tuned/adapter_model.safetensors").is_file()
