"""A walk through two versions on a tiny random model: every refresh, retrain and answer is a real one."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli
from tests.e2e.test_retrain import call, client, edit, shrink
from tests.tiny import make_tiny_model

pytestmark = pytest.mark.slow


def write_version(folder: Path, hours: Mapping[int, str]) -> None:
    """A page and a question for each pier."""
    (folder / "documents").mkdir(parents=True)
    lines = []
    for pier, hour in hours.items():
        (folder / "documents" / f"pier{pier}.md").write_text(
            f"# Pier {pier}\n\nThe lamp of pier {pier} of the Quellwick basin is lit at {hour} in the evening.\n"
        )
        row = {
            "id": f"lamp{pier}",
            "question": f"When is the lamp of pier {pier} lit?",
            "answers": [hour],
            "gold_doc_ids": [f"pier{pier}.md"],
            "phrasings": [f"At what time do they light the lamp of pier {pier}?"],
            "held_out_phrasings": [f"Pier {pier}: lamp lit when?"],
        }
        lines.append(json.dumps(row) + "\n")
    (folder / "questions.jsonl").write_text("".join(lines))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def workspace(tmp_path: Path, model: Path, cli: Cli) -> Path:
    first = {pier: f"{pier + 5}:30" for pier in range(1, 11)}
    second = {pier: hour for pier, hour in first.items() if pier != 10} | {4: "21:45", 11: "23:15"}
    write_version(tmp_path / "v1", first)
    write_version(tmp_path / "v2", second)
    write_version(tmp_path / "v3", second | {5: "22:10"})
    root = tmp_path / "w"
    source = tmp_path / "v1"
    assert cli("init", root, "--source", source / "documents", "--questions", source / "questions.jsonl").status == 0
    shrink(root, model)
    edit(root, "start: scratch", "start: champion")
    edit(root, "fresh_questions: 20", "fresh_questions: 2")
    return root


def walk(cli: Cli, workspace: Path, tmp_path: Path, *more: str) -> dict[str, Any]:
    into = tmp_path / "walk"
    return call(cli, workspace, "timeline", f"{tmp_path}/v1", f"{tmp_path}/v2", "--into", str(into), *more)


def rows_of(step: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    return [(row["strategy"], row["moment"], row["is_stale"]) for row in step["rows"]]


@pytest.mark.parametrize("further", [False, pytest.param(True, marks=pytest.mark.full)])
def test_a_walk_with_an_adapter(workspace: Path, cli: Cli, tmp_path: Path, further: bool) -> None:
    result = walk(cli, workspace, tmp_path)
    first, second = result["steps"]
    assert rows_of(first) == [
        ("base", "refreshed", False),
        ("rag", "refreshed", False),
        ("tuned", "retrained", False),
    ]
    assert rows_of(second) == [
        ("base", "refreshed", False),
        ("rag", "refreshed", False),
        ("tuned", "refreshed", True),
        ("tuned", "retrained", False),
    ]
    assert first["facts"] == {"added": 10}
    assert second["facts"] == {"added": 1, "changed": 1, "unchanged": 8, "removed": 1}
    base, rag, stale, tuned = second["rows"]
    assert rag["figures"]["accuracy"]["n"] == 10
    assert {"stale", "removed_leaked"} <= set(rag["figures"])
    assert stale["adapter_sha256"] == first["rows"][-1]["adapter_sha256"] != tuned["adapter_sha256"]
    controls = [row["figures"]["controls"] for row in (first["rows"][-1], stale, tuned)]
    assert controls[0] == controls[1] and controls[0]["n"] == controls[2]["n"] > 0, "one that does not read: asked once"
    steps = tmp_path / "walk" / "steps"
    assert [len(list(steps.glob(f"{number:02}/tuned_controls_*.jsonl"))) for number in (1, 2)] == [1, 1]
    assert (base["cost"], stale["cost"]) == (None, None), "nothing was done for them"
    assert rag["cost"]["tokens_embedded"] > 0
    assert rag["cost"]["tokens_trained"] == 0 < tuned["cost"]["tokens_trained"]
    assert 0 < rag["fresh"]["published_s"] < tuned["fresh"]["published_s"]
    for row in (rag, tuned):
        seconds = row["fresh"]["time_to_fresh_s"]
        assert (seconds is None) != (row["fresh"]["reason"] is None)
        assert seconds is None or seconds > row["fresh"]["published_s"]
    assert base["fresh"]["reason"] == "no change reaches it"
    trained = json.loads((tmp_path / "walk/workspace/artifacts/adapters/tuned/training.json").read_text())
    assert trained["start"] == stale["adapter_sha256"], "params say to go on from the champion"

    # The workspace that lent its settings is as it was, but for the report of the walk.
    assert call(cli, workspace, "releases")["served"] is None
    assert json.loads((workspace / "reports/timeline.json").read_text())["steps"] == result["steps"]
    files = {path.name for path in Path(result["reports"]).iterdir()}
    tables = {"timeline.json", "timeline.csv", "timeline_accuracy.csv"}
    assert files == tables | {"timeline.png", "timeline_leftovers.png"}
    own = tmp_path / "walk" / "workspace"
    run = client(own).get_run(result["mlflow_run_id"])
    assert run.data.tags["lorag.kind"] == "timeline"
    history = client(own).get_metric_history(run.info.run_id, "rag.timeline.accuracy")
    assert [point.step for point in history] == [1, 2]

    # All of it is recorded: nothing is done again.
    again = walk(cli, workspace, tmp_path)
    assert (again["known"], again["steps"]) == (2, result["steps"])

    if not further:
        return
    # A further version asks the adapter of the first one too.
    longer = [f"{tmp_path}/v{version}" for version in (1, 2, 3)]
    longest = call(cli, workspace, "timeline", *longer, "--into", str(tmp_path / "walk"))
    assert longest["steps"][:2] == result["steps"]
    third = longest["steps"][2]
    (oldest,) = third["aged"]
    assert (oldest["strategy"], oldest["age"], oldest["adapter_sha256"]) == ("tuned", 2, stale["adapter_sha256"])
    assert oldest["figures"]["accuracy"]["n"] == third["rows"][0]["figures"]["accuracy"]["n"] == 10
    assert oldest["figures"]["controls"] == controls[0]
    # Of ten facts one changed; of those of the first version another one did before that, and one was removed.
    assert third["changed_since"] == [0.1, 0.3]


@pytest.mark.full
def test_a_killed_walk_goes_on_and_a_changed_one_starts_over(
    workspace: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import walk_timeline as flow
    from lorag.errors import StoreFailed

    retrain, trained = flow.retrain_adapter, []

    def die_in_the_second(*arguments: Any, **options: Any) -> Any:
        trained.append(arguments)
        if len(trained) == 2:
            raise StoreFailed("out of disk")
        return retrain(*arguments, **options)

    monkeypatch.setattr(flow, "retrain_adapter", die_in_the_second)
    arguments = ["timeline", tmp_path / "v1", tmp_path / "v2", "--into", tmp_path / "walk", "--json"]
    assert cli("--workspace", workspace, *arguments).status == 5
    records = tmp_path / "walk" / "steps"
    kept = {path: path.stat().st_mtime_ns for path in records.rglob("*.json")}
    assert (records / "02" / "tuned_refreshed.json") in kept

    result = walk(cli, workspace, tmp_path)
    assert len(trained) == 3, "the first version was not trained again"
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert (result["known"], [step["interrupted"] for step in result["steps"]]) == (1, [False, True])
    assert rows_of(result["steps"][1])[2:] == [("tuned", "refreshed", True), ("tuned", "retrained", False)]

    page = tmp_path / "v2" / "documents" / "pier3.md"
    page.write_text(page.read_text() + "\nIt burns oil.\n")
    other = walk(cli, workspace, tmp_path, "--no-retrain")
    assert (other["known"], len(trained)) == (0, 3)
    assert [len(step["rows"]) for step in other["steps"]] == [2, 2]


@pytest.mark.full
def test_a_refused_adapter_is_part_of_the_story(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    edit(workspace, "min_new_facts: 0.0 ", "min_new_facts: 0.9 ")
    (base, rag, tuned) = walk(cli, workspace, tmp_path)["steps"][1]["rows"]
    assert tuned["failed_probes"] == ["new_facts 0.000 against a limit of 0.900"]
    assert "none from before" in tuned["missing"]
    assert (tuned["figures"], tuned["fresh"]["time_to_fresh_s"]) == ({}, None)
    assert tuned["cost"]["tokens_trained"] > 0, "it was paid for all the same"


@pytest.mark.full
def test_snapshots_in_two_files_are_split_into_versions(workspace: Path, cli: Cli, tmp_path: Path) -> None:
    documents, questions = [], []
    for version in ("2023", "2024"):
        for pier in range(1, 7):
            hour = f"{pier + (6 if version == '2024' and pier == 2 else 5)}:30"
            name = f"docs/{version}/pier{pier}"
            text = f"The lamp of pier {pier} of the Quellwick basin is lit at {hour} in the evening."
            documents.append({"id": name, "page": f"pier{pier}", "version": version, "title": "Lamps", "text": text})
            asked = {"question": f"When is the lamp of pier {pier} lit?", "answers": [hour], "fact_id": f"lamp{pier}"}
            questions.append({"id": f"{version}-{pier}", "version": version, "gold_doc_ids": [name], **asked})
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for name, rows in (("documents.jsonl", documents), ("questions_derived.jsonl", questions)):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    into = tmp_path / "walk"
    result = call(cli, workspace, "timeline", "--snapshots", str(folder), "--into", str(into), "--no-retrain")
    assert [step["version"] for step in result["steps"]] == ["2023", "2024"]
    assert result["steps"][1]["facts"] == {"changed": 1, "unchanged": 5}
    refreshed = json.loads((into / "steps/02/refresh.json").read_text())
    assert (refreshed["plan"]["changed"], refreshed["plan"]["kept"]) == (1, 5), "a page keeps its name"

    shutil.rmtree(into)
    into.mkdir()
    (into / "mine.txt").write_text("keep me")
    outcome = cli("--workspace", workspace, "timeline", "--snapshots", folder, "--into", into, "--no-retrain")
    assert (outcome.status, (into / "mine.txt").read_text()) == (2, "keep me")
    assert "holds other things" in outcome.err
