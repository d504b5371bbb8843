"""What was forgotten is left out of a corpus and of its copy, by its name and by its content."""

import json
from pathlib import Path

import pytest

from lorag.integrations.parsing.source_folder import REJECTED_FILE
from lorag.knowledge.artifacts import read_rejected
from lorag.knowledge.documents import Reason, Rejected
from lorag.params import KnowledgeParams
from lorag.params_file import load_params
from lorag.releases.forgotten import Forgotten
from lorag.use_cases.init_workspace import template
from lorag.use_cases.refresh.leave_out import without_questions, without_records
from lorag.use_cases.refresh.load_corpus import load_corpus, rejected_share
from lorag.use_cases.refresh.snapshot_source import snapshot_file, snapshot_folder

OUT = Forgotten().adding(["a.md", "r2"], [])


def knowledge() -> KnowledgeParams:
    return load_params(template("params.yaml")).knowledge


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name in ("a.md", "b.md"):
        (folder / name).write_text(f"# Page {name}\n\nThe text of page {name} is here.\n")
    records = [{"id": f"r{number}", "title": "R", "text": f"The record of number {number}."} for number in (1, 2, 3)]
    (folder / "documents.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder


def test_a_copy_has_nothing_of_it_and_says_so(origin: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    snapshot_folder(origin, copy, knowledge())
    assert (copy / "a.md").is_file(), "it was copied before"
    snapshot_folder(origin, copy, knowledge(), forgotten=OUT)
    assert not (copy / "a.md").exists() and "number 2" not in (copy / "documents.jsonl").read_text()
    assert read_rejected(copy / REJECTED_FILE) == [Rejected("a.md", Reason.FORGOTTEN)]
    left = load_corpus(copy, knowledge())
    read = load_corpus(origin, knowledge(), forgotten=OUT)
    assert [d.id for d in left.documents] == [d.id for d in read.documents] == ["b.md", "r1", "r3"]
    assert {item.name for item in read.rejected} == {"a.md", "documents.jsonl:2"} and rejected_share(read) == 0


def test_another_name_does_not_hide_it(origin: Path, tmp_path: Path) -> None:
    (same,) = [document for document in load_corpus(origin, knowledge()).documents if document.id == "a.md"]
    out = Forgotten().adding(["x"], [same.version])
    (origin / "a.md").rename(origin / "z.md")
    corpus = load_corpus(origin, knowledge(), forgotten=out)
    assert "z.md" not in {document.id for document in corpus.documents}
    assert Rejected("z.md", Reason.FORGOTTEN) in corpus.rejected


def test_lines_keep_their_numbers_and_other_bytes(origin: Path, tmp_path: Path) -> None:
    data = (origin / "documents.jsonl").read_bytes()
    assert without_records(data, Forgotten()) == data and without_records(b"\xff\x00", OUT) == b"\xff\x00"
    assert without_records(data, OUT).split(b"\n")[1] == b"" and without_records(data, OUT).count(b"\n") == 3
    rows = [{"gold_doc_ids": ["b.md", "a.md"]}, {"gold_doc_ids": ["b.md"]}, {"gold_doc_ids": 3}, {}]
    lines = ["\ufeff" + json.dumps(rows[0]), *(json.dumps(row) for row in rows[1:]), "not JSON", "[1]"]
    assert without_questions("\n".join(lines).encode(), OUT).decode().split("\n") == ["", *lines[1:]]
    (tmp_path / "questions.jsonl").write_text("\n".join(lines))
    snapshot_file(tmp_path / "questions.jsonl", tmp_path / "copy.jsonl", OUT)
    assert (tmp_path / "copy.jsonl").read_text().split("\n") == ["", *lines[1:]]
