"""Files that hold several versions, split into one folder a version; what is amiss is told with its place."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from lorag.errors import InputRejected, ParamsError
from lorag.params_file import load_params
from lorag.questions.questions import read_questions
from lorag.use_cases.timeline.split_snapshots import snapshot_files, split_snapshots
from lorag.use_cases.timeline.timeline_walk import open_walk, read_version
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[3]
DOCUMENTS = [
    {"id": "2024/a", "page": "a", "version": "2024", "title": "A", "text": "Nine."},
    {"id": "2023/a", "page": "a", "version": "2023", "title": "A", "text": "Eight."},
    {"id": "plain", "version": "2024", "title": "P", "text": "No page."},
]
QUESTIONS = [
    {"id": "q3", "question": "?", "answers": ["Eight"], "gold_doc_ids": ["2023/a"], "version": "2023"},
    {"id": "q4", "question": "?", "answers": ["Nine"], "gold_doc_ids": ["2024/a", "plain"], "version": "2024"},
]
Rows = Sequence[Mapping[str, Any]]


def write(path: Path, rows: Rows) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_page_is_one_document_through_all_versions(tmp_path: Path) -> None:
    documents, questions = write(tmp_path / "d.jsonl", DOCUMENTS), write(tmp_path / "q.jsonl", QUESTIONS)
    first, second = split_snapshots(documents, questions, tmp_path / "into")
    assert (first.name, second.name) == ("2023", "2024")
    assert [json.loads(line) for line in second.documents.read_text().splitlines()] == [
        {"id": "a", "title": "A", "text": "Nine."},
        {"id": "plain", "title": "P", "text": "No page."},
    ]
    assert read_questions(first.questions)[0].gold_doc_ids == ("a",)
    assert read_questions(second.questions)[0].gold_doc_ids == ("a", "plain")
    assert first.digest != second.digest
    assert split_snapshots(documents, questions, tmp_path / "other")[0].digest == first.digest


BAD: Mapping[str, tuple[Rows, Rows, str]] = {
    "a document without a version": ([{"id": "a", "text": "x"}], QUESTIONS, "d.jsonl:1"),
    "a question without a version": (DOCUMENTS, [{"id": "q"}], "q.jsonl:1"),
    "a version without questions": (DOCUMENTS, QUESTIONS[:1], "2024 has no questions"),
    "a version without documents": (DOCUMENTS[:1], QUESTIONS, "2023 has no documents"),
    "no object": (["a"], QUESTIONS, "no JSON object"),  # type: ignore[list-item]
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_amiss_is_told(case: str, tmp_path: Path) -> None:
    documents, questions, said = BAD[case]
    with pytest.raises(InputRejected, match=said):
        split_snapshots(write(tmp_path / "d.jsonl", documents), write(tmp_path / "q.jsonl", questions), tmp_path / "to")


def test_a_folder_of_snapshots_has_two_files(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="one questions"):
        snapshot_files(tmp_path)
    documents = write(tmp_path / "documents.jsonl", DOCUMENTS)
    questions = write(tmp_path / "questions_derived.jsonl", QUESTIONS)
    assert snapshot_files(tmp_path) == (documents, questions)


def test_a_version_is_documents_and_questions_and_a_walk_takes_two(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="no documents/ or documents.jsonl"):
        read_version(tmp_path)
    write(tmp_path / "documents.jsonl", DOCUMENTS)
    with pytest.raises(InputRejected, match="no questions.jsonl"):
        read_version(tmp_path)
    write(tmp_path / "questions.jsonl", QUESTIONS)
    version = read_version(tmp_path)
    with pytest.raises(ParamsError, match="fewer than two versions"):
        open_walk(tmp_path / "walk", [version], Workspace(ROOT), load_params(ROOT / "params.yaml"), (), None)
    assert not (tmp_path / "walk").exists()


@pytest.mark.parametrize("into", ["v1/documents/walk", "v1/documents", "link/walk", "."])
def test_a_walk_and_a_version_do_not_lie_in_one_another(into: str, tmp_path: Path) -> None:
    """The walk empties its folder, and copies each version there."""
    for name in ("v1", "v2"):
        (tmp_path / name / "documents").mkdir(parents=True)
        (tmp_path / name / "documents" / "a.md").write_text("# A\n")
        write(tmp_path / name / "questions.jsonl", QUESTIONS[1:])
    (tmp_path / "link").symlink_to(tmp_path / "v2" / "documents")
    (tmp_path / ".walk").touch()
    before = sorted(tmp_path.rglob("*"))
    versions = [read_version(tmp_path / name) for name in ("v1", "v2")]
    with pytest.raises(ParamsError, match="lie in one another"):
        open_walk(tmp_path / into, versions, Workspace(ROOT), load_params(ROOT / "params.yaml"), (), None)
    assert sorted(tmp_path.rglob("*")) == before
