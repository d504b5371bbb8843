"""The main job on a small folder: refresh, ask, change, refresh, roll back, and every way to break it."""

import doctest
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lorag import Workspace
from lorag.integrations.machine.hardware import count_usable_cores
from lorag.use_cases.init_workspace import init_workspace
from tests.copies import copy_workspace
from tests.e2e.conftest import Cli, Outcome

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


@dataclass(frozen=True)
class Place:
    """A workspace below `root` with its first release, and what that refresh returned."""

    root: Path
    first: dict[str, Any]

    @property
    def source(self) -> Path:
        return self.root / "docs"

    @property
    def workspace(self) -> Path:
        return self.root / "w"

    def call(self, cli: Cli, *arguments: str) -> Outcome:
        return cli("--workspace", self.workspace, *arguments, "--json")

    def refresh(self, cli: Cli, *options: str) -> dict[str, Any]:
        outcome = self.call(cli, "refresh", *options)
        assert outcome.status == 0, outcome.err
        return outcome.json


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Made once, since the first refresh takes longest; no test changes it."""
    root = tmp_path_factory.mktemp("made")
    (root / "docs" / "food").mkdir(parents=True)
    (root / "docs" / "berths.md").write_text(BERTHS)
    (root / "docs" / "food" / "kitchen.md").write_text(KITCHEN)
    (root / "questions.jsonl").write_text(QUESTIONS)
    init_workspace(root / "w", root / "docs", root / "questions.jsonl")
    return Place(root, Workspace.open(root / "w").refresh().to_json())


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    """A copy of the workspace with a source of its own, so that tests need no order."""
    copy = Place(tmp_path / "copy", made.first)
    copy_workspace(made.root, copy.root)
    return copy


def test_the_life_of_a_workspace(place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    first, source = place.first, place.source
    assert first["plan"] == {"added": 3, "changed": 0, "removed": 0, "kept": 0, "embedded": 3}
    assert first["recall_at_10"] == 1.0
    assert first["cost"]["tokens_embedded"] > 20
    assert first["mlflow_run_id"]

    # The files of a copy are new to it, so it looks into all of them once.
    place.refresh(cli)
    again = place.refresh(cli)
    assert (again["release"], again["published"], again["stages"]) == (first["release"], False, [])
    assert again["plan"] == {"added": 0, "changed": 0, "removed": 0, "kept": 3, "embedded": 0}
    assert again["mlflow_run_id"] is None, "nothing ran that would be worth a record"
    assert 0 < again["waited_s"] < 60
    assert place.call(cli, "status").json["pending"] == []

    answer = place.call(cli, "ask", "How deep is berth 4 of the Quellwick basin?").json
    assert "7.25" in answer["answer"]
    assert answer["citations"][0]["document_id"] == "berths.md"
    assert answer["citations"][0]["quote"] in " ".join(BERTHS.split())
    assert answer["release"] == first["release"]

    # From Python the same, as the docstring shows.
    monkeypatch.chdir(place.root)
    example = doctest.DocTestFinder().find(Workspace, "Workspace", globs={})[0]
    example.examples[1].source = example.examples[1].source.replace('"handbook"', '"w"')
    failed, tried = doctest.DocTestRunner().run(example)
    assert (failed, tried) == (0, 7)

    (source / "berths.md").write_text(BERTHS.replace("7.25", "8.40"))
    (source / "food" / "kitchen.md").rename(source / "galley.md")
    status = place.call(cli, "status").json
    assert status["changes"]["changed"] == ["berths.md"]
    assert status["changes"]["renamed"] == [["food/kitchen.md", "galley.md"]]
    assert not status["up_to_date"]

    text = QUESTIONS.replace("7.25", "8.40").replace("food/kitchen.md", "galley.md")
    (place.root / "questions.jsonl").write_text(text)
    second = place.refresh(cli)
    assert second["plan"] == {"added": 1, "changed": 1, "removed": 1, "kept": 1, "embedded": 1}, (
        "a rename embeds nothing"
    )
    assert second["generation"] == first["generation"] + 1
    assert "8.40" in place.call(cli, "search", "berth 4 depth").json["hits"][0]["text"]
    assert "7.25" in place.call(cli, "search", "berth 4 depth", "--as-of", "1").json["hits"][0]["text"]
    # What either refresh cost names the machine that it ran on.
    entries = place.call(cli, "costs").json["entries"]
    assert {entry["cost"]["machine"]["n_cores"] for entry in entries} == {count_usable_cores()}

    back = place.call(cli, "rollback").json
    assert back["content_digest"] == first["content_digest"]
    assert "7.25" in place.call(cli, "search", "berth 4 depth").json["hits"][0]["text"]
    assert place.refresh(cli)["release"] == second["release"], "the next refresh follows the source again"
    assert [each["generation"] for each in place.call(cli, "releases").json["releases"]] == [2, 1]


def test_a_refresh_repairs_what_somebody_changed_in_the_workspace(place: Place, cli: Cli) -> None:
    place.refresh(cli)
    copy = place.workspace / "data" / "source" / "berths.md"
    copy.write_text("# Somebody else's\n")
    (place.workspace / "reports" / "index.json").unlink()
    status = place.call(cli, "status").json
    assert status["up_to_date"] and status["pending"] == ["files of the pipeline changed"]
    again = place.refresh(cli)
    assert (again["release"], again["published"]) == (place.first["release"], False)
    assert copy.read_text() == BERTHS
    assert (place.workspace / "reports" / "index.json").is_file()
    assert place.call(cli, "status").json["pending"] == []


def test_changed_questions_are_seen_by_status_and_refresh(place: Place, cli: Cli) -> None:
    (place.source.parent / "questions.jsonl").write_text(QUESTIONS.replace("How deep is", "How deep, in metres, is"))
    status = place.call(cli, "status").json
    assert status["questions_changed"] and not status["up_to_date"]
    assert place.refresh(cli)["stages"] == ["retrieval_evaluation"]
    assert place.call(cli, "status").json["up_to_date"]


def test_bad_sources_leave_the_served_release_alone(place: Place, cli: Cli) -> None:
    first, source = place.first, place.source
    params = place.workspace / "params.yaml"
    text = params.read_text()

    def refused(status: int, code: str) -> str:
        outcome = place.call(cli, "refresh")
        assert outcome.status == status, outcome.err
        assert outcome.json["error"]["code"] == code
        assert "Traceback" not in outcome.err
        params.write_text(text)
        listed = place.call(cli, "releases").json
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


def test_one_binary_among_good_documents_is_quarantined(place: Place, cli: Cli) -> None:
    source = place.source
    (source / "picture.md").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4)
    for number in range(5):
        (source / f"more{number}.md").write_text(f"# More {number}\n\nHere stands sentence number {number}.\n")
    outcome = place.call(cli, "refresh")
    assert outcome.status == 3, outcome.err
    assert outcome.json["rejected"] == 1
    assert outcome.json["n_documents"] == 7
    assert '"type_mismatch"' in (place.workspace / "artifacts" / "rejected.jsonl").read_text()


@pytest.mark.full
def test_an_empty_source_is_served_only_where_that_is_allowed(place: Place, cli: Cli) -> None:
    first, source = place.first, place.source
    shutil.move(source, source.parent / "away")
    source.mkdir()
    assert place.call(cli, "refresh").status == 3
    empty = place.refresh(cli, "--allow-shrink")
    assert (empty["n_documents"], empty["n_chunks"], empty["plan"]["removed"]) == (0, 0, first["n_chunks"])
    assert place.refresh(cli, "--allow-shrink")["published"] is False
    assert place.call(cli, "search", "berth").json["hits"] == []
    answer = place.call(cli, "ask", "How deep is berth 4?").json
    assert answer["citations"] == []
    assert "7.25" not in answer["answer"]
    source.rmdir()
    shutil.move(source.parent / "away", source)
    again = place.refresh(cli)
    assert again["content_digest"] == first["content_digest"]
    assert again["plan"]["embedded"] == 0


def test_a_suspicious_loss_is_refused_unless_allowed(place: Place, cli: Cli) -> None:
    first, source = place.first, place.source
    (source / "berths.md").unlink()
    outcome = place.call(cli, "refresh")
    assert outcome.status == 4
    assert "--allow-shrink" in outcome.err
    assert place.call(cli, "releases").json["served"] == first["release"]
    assert place.refresh(cli, "--allow-shrink")["plan"]["removed"] == 2
