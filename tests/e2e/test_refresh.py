"""The main job on a small folder: refresh, ask, change, refresh, roll back, and every way to break it."""

import doctest
import shutil
from pathlib import Path

import pytest

from lorag import Workspace
from tests.e2e.conftest import Cli

pytestmark = pytest.mark.slow

BERTHS = """# Berths

Berth 4 of the Quellwick basin has a depth of 7.25 metres at the lowest tide of the year, and no vessel of a
greater draught may lie there overnight without the consent of the harbour office.

## Tugs

The tugboat Marigold Anne lies at berth 9 between the fuel barge and the old slipway, and her master is Tobias
Frenn, who may be called on the harbour channel at any hour of the day.
"""
KITCHEN = """# Kitchen

The galley of the Quellwick canteen opens at 06:50 and serves kippers on Thursdays to everybody who has signed
the list on the door by the evening before, crew and visitors alike.
"""
QUESTIONS = """\
{"id": "1", "question": "How deep is berth 4?", "answers": ["7.25 metres"], "gold_doc_ids": ["berths.md"]}
{"id": "2", "question": "When does the galley open?", "answers": ["06:50"], "gold_doc_ids": ["food/kitchen.md"]}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "food").mkdir(parents=True)
    (folder / "berths.md").write_text(BERTHS)
    (folder / "food" / "kitchen.md").write_text(KITCHEN)
    (tmp_path / "questions.jsonl").write_text(QUESTIONS)
    return folder


@pytest.fixture
def workspace(source: Path, cli: Cli, tmp_path: Path) -> Path:
    made = cli("init", tmp_path / "w", "--source", source, "--questions", tmp_path / "questions.jsonl", "--json")
    assert made.status == 0, made.err
    return tmp_path / "w"


def refresh(cli: Cli, workspace: Path, *options: str) -> dict:
    outcome = cli("--workspace", workspace, "refresh", "--json", *options)
    assert outcome.status == 0, outcome.err
    return outcome.json


def test_the_life_of_a_workspace(workspace: Path, source: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    first = refresh(cli, workspace)
    assert first["plan"] == {"added": 3, "changed": 0, "removed": 0, "kept": 0, "embedded": 3}
    assert first["recall_at_10"] == 1.0
    assert first["cost"]["tokens_embedded"] > 20
    assert first["mlflow_run_id"]

    again = refresh(cli, workspace)
    assert (again["release"], again["published"], again["stages"]) == (first["release"], False, [])
    assert again["plan"] == {"added": 0, "changed": 0, "removed": 0, "kept": 3, "embedded": 0}

    answer = cli("--workspace", workspace, "ask", "How deep is berth 4 of the Quellwick basin?", "--json").json
    assert "7.25" in answer["answer"]
    assert answer["citations"][0]["document_id"] == "berths.md"
    assert answer["citations"][0]["quote"] in " ".join(BERTHS.split())
    assert answer["release"] == first["release"]

    # From Python the same, as the docstring shows.
    monkeypatch.chdir(workspace.parent)
    example = doctest.DocTestFinder().find(Workspace, "Workspace", globs={})[0]
    example.examples[1].source = example.examples[1].source.replace('"handbook"', '"w"')
    failed, tried = doctest.DocTestRunner().run(example)
    assert (failed, tried) == (0, 7)

    (source / "berths.md").write_text(BERTHS.replace("7.25", "8.40"))
    (source / "food" / "kitchen.md").rename(source / "galley.md")
    status = cli("--workspace", workspace, "status", "--json").json
    assert status["changes"]["changed"] == ["berths.md"]
    assert status["changes"]["renamed"] == [["food/kitchen.md", "galley.md"]]
    assert not status["up_to_date"]

    text = QUESTIONS.replace("7.25", "8.40").replace("food/kitchen.md", "galley.md")
    (source.parent / "questions.jsonl").write_text(text)
    second = refresh(cli, workspace)
    assert second["plan"] == {"added": 1, "changed": 1, "removed": 1, "kept": 1, "embedded": 1}, (
        "a rename embeds nothing"
    )
    assert second["generation"] == first["generation"] + 1
    assert "8.40" in cli("--workspace", workspace, "ask", "How deep is berth 4?", "--json").json["answer"]
    old = cli("--workspace", workspace, "search", "berth 4 depth", "--as-of", "1", "--json").json
    assert "7.25" in old["hits"][0]["text"]

    back = cli("--workspace", workspace, "rollback", "--json").json
    assert back["content_digest"] == first["content_digest"]
    found = cli("--workspace", workspace, "search", "berth 4 depth", "--json").json
    assert "7.25" in found["hits"][0]["text"]
    assert refresh(cli, workspace)["release"] == second["release"], "the next refresh follows the source again"

    listed = cli("--workspace", workspace, "releases", "--json").json
    assert [r["generation"] for r in listed["releases"]] == [2, 1]
    doctor = cli("--workspace", workspace, "doctor", "--json")
    assert doctor.status == 0, doctor.out


def test_bad_sources_leave_the_served_release_alone(workspace: Path, source: Path, cli: Cli) -> None:
    first = refresh(cli, workspace)
    params = workspace / "params.yaml"
    text = params.read_text()

    def refused(status: int, code: str) -> str:
        outcome = cli("--workspace", workspace, "refresh", "--json")
        assert outcome.status == status, outcome.err
        assert outcome.json["error"]["code"] == code
        assert "Traceback" not in outcome.err
        params.write_text(text)
        listed = cli("--workspace", workspace, "releases", "--json").json
        assert listed["served"] == first["release"]
        return outcome.err

    shutil.move(source, source.parent / "away")
    assert "no such source" in refused(3, "E010")
    source.mkdir()
    assert "nothing to index" in refused(3, "E010")
    source.rmdir()
    shutil.move(source.parent / "away", source)
    params.write_text(text.replace("max_tokens: 200", "max_tokn: 200"))
    assert "did you mean `max_tokens`" in refused(2, "E001")
    (source / ".env").write_text("KEY=1")
    params.write_text(text.replace("source: data/source", f"source: {source}"))
    assert "one is or holds the other" in refused(2, "E001")
    assert {path.name for path in source.iterdir()} == {".env", "berths.md", "food"}
    params.write_text(text.replace("min_recall_at_10: 0.5", "min_recall_at_10: 1.0"))
    (source / "berths.md").write_text("# Something else\n\nNothing about water here.\n")
    for number in range(12):
        (source / f"noise{number}.md").write_text(f"# Berth depth {number}\n\nHow deep is berth {number}, one asks.\n")
    assert "recall@10" in refused(4, "E020")


def test_one_binary_among_good_documents_is_quarantined(workspace: Path, source: Path, cli: Cli) -> None:
    (source / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    for number in range(5):
        (source / f"more{number}.md").write_text(f"# More {number}\n\nHere stands sentence number {number}.\n")
    outcome = cli("--workspace", workspace, "refresh", "--json")
    assert outcome.status == 3, outcome.err
    assert outcome.json["rejected"] == 1
    assert outcome.json["n_documents"] == 7
    assert '"type_mismatch"' in (workspace / "artifacts" / "rejected.jsonl").read_text()


def test_an_empty_source_is_served_only_where_that_is_allowed(workspace: Path, source: Path, cli: Cli) -> None:
    first = refresh(cli, workspace)
    shutil.move(source, source.parent / "away")
    source.mkdir()
    assert cli("--workspace", workspace, "refresh", "--json").status == 3
    empty = refresh(cli, workspace, "--allow-shrink")
    assert (empty["n_documents"], empty["n_chunks"], empty["plan"]["removed"]) == (0, 0, first["n_chunks"])
    assert refresh(cli, workspace, "--allow-shrink")["published"] is False
    assert cli("--workspace", workspace, "search", "berth", "--json").json["hits"] == []
    answer = cli("--workspace", workspace, "ask", "How deep is berth 4?", "--json").json
    assert answer["citations"] == []
    assert "7.25" not in answer["answer"]
    source.rmdir()
    shutil.move(source.parent / "away", source)
    again = refresh(cli, workspace)
    assert again["content_digest"] == first["content_digest"]
    assert again["plan"]["embedded"] == 0


def test_a_suspicious_loss_is_refused_unless_allowed(workspace: Path, source: Path, cli: Cli) -> None:
    first = refresh(cli, workspace)
    (source / "berths.md").unlink()
    outcome = cli("--workspace", workspace, "refresh", "--json")
    assert outcome.status == 4
    assert "--allow-shrink" in outcome.err
    assert cli("--workspace", workspace, "releases", "--json").json["served"] == first["release"]
    assert refresh(cli, workspace, "--allow-shrink")["plan"]["removed"] == 2
