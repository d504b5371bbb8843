"""A comparison from the command line on a tiny random model: every stage is the real one."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lorag.evaluation.rule_error import RULE_ERROR
from lorag.reports.comparison_markdown import summarise_comparison
from tests.e2e.conftest import Cli
from tests.e2e.test_retrain import call, client, edit, fail_the_gate_and_pass_it, refused, shrink, write_knowledge
from tests.tiny import make_tiny_model

pytestmark = pytest.mark.slow

REPORTS = ("comparison.json", "comparison.csv", "comparison_accuracy.csv", "summary.json")


@pytest.fixture
def workspace(tmp_path: Path, cli: Cli) -> Path:
    write_knowledge(tmp_path, {})
    made = cli("init", tmp_path / "w", "--source", tmp_path / "docs", "--questions", tmp_path / "questions.jsonl")
    assert made.status == 0, made.err
    shrink(tmp_path / "w", make_tiny_model(tmp_path / "model"))
    edit(tmp_path / "w", "latency_questions: 12", "latency_questions: 2")
    edit(tmp_path / "w", "bootstrap_samples: 1000", "bootstrap_samples: 100")
    return tmp_path / "w"


def runs_of(workspace: Path, kind: str) -> list[Any]:
    mlflow = client(workspace)
    experiment = mlflow.get_experiment_by_name("lorag").experiment_id
    found: list[Any] = mlflow.search_runs([experiment], f"tags.`lorag.kind` = '{kind}'")
    return found


def page_of(result: dict[str, Any]) -> str:
    return Path(result["report"]).read_text()


def test_the_life_of_a_comparison_and_of_a_failed_gate(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    assert "nothing is served yet" in refused(cli("--workspace", workspace, "compare", "--json"), 2, "E002")
    assert "nothing was compared here yet" in refused(
        cli("--workspace", workspace, "compare", "--last", "--json"), 2, "E002"
    )
    refreshed = call(cli, workspace, "refresh")
    assert not any("answers" in stage or "comparison" in stage for stage in refreshed["stages"])

    # Without adapters: two strategies, and a line for each of the others. Nothing is trained.
    look = call(cli, workspace, "compare", "--limit", "5")
    assert (look["limit"], look["stages"], sum(look["questions"].values())) == (5, [], 5)
    assert not (workspace / "reports" / "comparison.json").exists()
    assert set(look["strategies"]) == {"base", "rag"}
    assert look["left_out"] == {
        "tuned": "its adapter was never trained here: run `lorag retrain --adapter tuned`",
        "hybrid": "tuning.adapters does not name it",
    }
    assert not (workspace / "artifacts" / "adapters").exists()

    adapter = fail_the_gate_and_pass_it(workspace, cli)["adapters"]["tuned"]["sha256"]
    first = call(cli, workspace, "compare")
    assert first["stages"] == ["answers@base", "answers@rag", "adapter_answers@tuned", "comparison"]
    assert set(first["strategies"]) == {"base", "rag", "tuned"}
    assert first["questions"]["fact"] == 10
    assert first["measure"] == RULE_ERROR.to_json()
    tuned = first["strategies"]["tuned"]
    assert (tuned["adapter_sha256"], tuned["cost_source"], tuned["speed"]["n_queries"]) == (adapter, "streamed", 2)
    # The adapter's exam had asked all of it of the adapter and of the base model already, the look some of it of rag.
    assert (tuned["batch"], first["strategies"]["base"]["batch"]) == (None, None)
    asked_now = first["strategies"]["rag"]["batch"]
    assert 0 < asked_now["n_queries"] < sum(first["questions"].values())
    assert asked_now["cost"]["tokens_generated"] > 0
    page = page_of(first)
    assert "hybrid is left out" in page and "By kind and strategy" in page and "Answers side by side" in page

    mlflow = client(workspace)
    parent = mlflow.get_run(first["mlflow_run_id"])
    assert {"lorag.kind": "comparison", "lorag.release": first["release"], "lorag.left_out": "hybrid"}.items() <= (
        parent.data.tags.items()
    )
    assert [dataset.dataset.digest for dataset in parent.inputs.dataset_inputs] == [first["question_set_digest"][:36]]
    logged = {item.path for folder in (None, "plots") for item in mlflow.list_artifacts(parent.info.run_id, folder)}
    assert {"comparison.html", "comparison.json", "comparison_table.json", "plots/quality.png"} <= logged
    child = mlflow.get_run(tuned["mlflow_run_id"])
    assert {
        "mlflow.parentRunId": parent.info.run_id,
        "lorag.kind": "answers",
        "lorag.strategy": "tuned",
        "lorag.adapter_sha256": adapter,
        "lorag.corpus_digest": first["corpus_digest"],
        "lorag.content_digest": first["content_digest"],
        "lorag.cost_source": "streamed",
    }.items() <= child.data.tags.items()
    names = {"queries", "quality.accuracy", "quality.f1", "speed.p95_s", "speed.ttft_p50_s", "cost.money", "cost.kwh"}
    for strategy in first["strategies"].values():
        assert names <= mlflow.get_run(strategy["mlflow_run_id"]).data.metrics.keys()
    assert child.data.metrics["queries"] == 2
    rag = first["strategies"]["rag"]["mlflow_run_id"]
    traces = mlflow.search_traces(locations=[parent.info.experiment_id], run_id=rag)
    assert len(traces) == sum(first["questions"].values()), "every answer is a trace"
    timed = [trace for trace in traces if trace.info.execution_duration]
    assert [[span.name for span in trace.data.spans] for trace in timed] == [["answer rag", "retrieve", "generate"]] * 2
    assert {trace.info.tags["lorag.release"] for trace in traces} == {first["release"]}
    judged = [{each.name: each.value for each in trace.info.assessments} for trace in traces]
    right = [verdicts["right"] for verdicts in judged if "right" in verdicts]
    assert len(right) == sum("expected_response" in verdicts for verdicts in judged) > 0
    assert all("cited" in verdicts for verdicts in judged)

    # The last one is shown again without running one, as Markdown too.
    assert call(cli, workspace, "compare", "--last") == first
    shown = cli("--workspace", workspace, "compare", "--last", "--markdown")
    assert shown.out == summarise_comparison(first), shown.err

    # The same again runs nothing, generates nothing, and says the same.
    before = {name: (workspace / "reports" / name).read_bytes() for name in REPORTS}
    second = call(cli, workspace, "compare")
    assert second["stages"] == []
    assert [strategy["batch"] for strategy in second["strategies"].values()] == [None] * 3
    assert {name: (workspace / "reports" / name).read_bytes() for name in REPORTS} == before
    assert [s["quality"] for s in second["strategies"].values()] == [s["quality"] for s in first["strategies"].values()]


@pytest.mark.full
def test_what_comes_after_a_comparison(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    call(cli, workspace, "refresh")
    adapter = call(cli, workspace, "retrain")["adapters"]["tuned"]["sha256"]
    first = call(cli, workspace, "compare")
    before = {name: (workspace / "reports" / name).read_bytes() for name in REPORTS}

    # From nothing it says the same.
    from lorag.integrations.dvc.dvc_repo import reproduce

    (workspace / ".lorag" / "cache.sqlite").unlink()
    for name in REPORTS:
        (workspace / "reports" / name).unlink()
    assert reproduce(workspace, ["comparison"]) == ["comparison"]
    assert {name: (workspace / "reports" / name).read_bytes() for name in REPORTS} == before

    # Another seed makes another adapter, which is kept and serves nobody.
    varied = call(cli, workspace, "seeds", "--adapter", "tuned", "--seeds", "2")
    assert [each["seed"] for each in varied["results"]] == [7, 8]
    assert varied["results"][0]["sha256"] == adapter != varied["results"][1]["sha256"]
    assert varied["results"][0]["figures"]["f1"] == first["strategies"]["tuned"]["quality"]["f1"]["value"]
    assert set(varied["spreads"]["f1"]) == {"mean", "least", "greatest", "sd"}
    kept = workspace / ".lorag" / "seeds" / "tuned_8" / "artifacts" / "adapters" / "tuned"
    trained_at = (kept / "training.json").stat().st_mtime_ns
    assert call(cli, workspace, "seeds", "--adapter", "tuned", "--seeds", "2") == varied
    assert (kept / "training.json").stat().st_mtime_ns == trained_at
    assert call(cli, workspace, "status")["up_to_date"]
    assert "The same training with other seeds (tuned: 7, 8)" in page_of(call(cli, workspace, "compare"))

    # The knowledge moves on: the adapter is behind, which is said, and it is not trained.
    write_knowledge(tmp_path, {4: "21:45"})
    call(cli, workspace, "refresh")
    third = call(cli, workspace, "compare")
    assert third["notes"] == {"tuned": "1 document changed or went since its adapter was trained"}
    assert third["strategies"]["tuned"]["adapter_sha256"] == adapter
    assert not any("training" in stage or stage.startswith("adapter@") for stage in third["stages"])
    assert {run.data.tags["lorag.strategy"] for run in runs_of(workspace, "answers")} == {"base", "rag", "tuned"}

    # Asked how it sounds as well, of which it learned nothing.
    probes = [{"question": "Ahoy?", "pattern": pattern} for pattern in (".*", "nobody says this")]
    (workspace / "data" / "style.jsonl").write_text("".join(json.dumps(probe) + "\n" for probe in probes))
    edit(workspace, "style: false", "style: true")
    styled = call(cli, workspace, "compare")
    assert styled["questions"] == {**third["questions"], "style": 2}
    assert [found["quality"]["style"]["value"] for found in styled["strategies"].values()] == [0.5] * 3
    assert "that ask for style" in page_of(styled)
    # A clone of the commit has the settings and the questions that the figures are from.
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=workspace, capture_output=True, text=True, check=True).stdout == ""

    call(cli, workspace, "rollback")
    said = refused(cli("--workspace", workspace, "compare", "--json"), 2, "E002")
    assert "the artifacts of the pipeline are not those of the served release" in said


@pytest.mark.full
def test_an_adapter_that_failed_its_gate_is_compared_but_not_timed(
    workspace: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(cli, workspace, "refresh")
    edit(workspace, "min_new_facts: 0.0 ", "min_new_facts: 0.9 ")
    refused(cli("--workspace", workspace, "retrain", "--json"), 4, "E020")
    # Its exam has asked the same questions; forgotten, they have to be answered again.
    (workspace / ".lorag" / "cache.sqlite").unlink()
    found = call(cli, workspace, "compare", "--limit", "8")
    tuned = found["strategies"]["tuned"]
    assert found["notes"] == {"tuned": "its adapter is trained, but not served: its gate refused it"}
    assert (tuned["speed"], tuned["speed_missing"]) == (None, found["notes"]["tuned"])
    assert (tuned["cost_source"], tuned["cost"]) == ("batch", tuned["batch"]["cost"])

    # All is known now: nothing was measured of it, so the ledger gets no batch of answers.
    again = call(cli, workspace, "compare", "--limit", "8")
    assert (again["strategies"]["tuned"]["cost_source"], again["strategies"]["tuned"]["cost"]) == (None, None)
    run = client(workspace).get_run(again["strategies"]["tuned"]["mlflow_run_id"])
    assert run.data.tags["lorag.cost_source"] == "none"
    assert not {"queries", "cost.wall_s"} & run.data.metrics.keys()
    assert "quality.accuracy" in run.data.metrics

    # Another base model under it: its answers would be nobody's.
    made = make_tiny_model(workspace.parent / "other", seed=1)
    edit(workspace, str(workspace.parent / "model"), str(made))
    other = call(cli, workspace, "compare", "--limit", "3")
    assert "another base model" in other["left_out"]["tuned"]

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    unlogged = cli("--workspace", workspace, "compare", "--limit", "3", "--json")
    assert (unlogged.status, unlogged.json["mlflow_run_id"]) == (0, None), unlogged.err
    assert json.dumps(unlogged.json["strategies"]["rag"]["quality"]) == json.dumps(
        other["strategies"]["rag"]["quality"]
    )
