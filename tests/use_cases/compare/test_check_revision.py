"""`lorag check`: two revisions of a repository, by the files that git keeps."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lorag.cli import run
from lorag.evaluation.by_question import Answered, Searched, write_questions
from lorag.evaluation.question_set import Topic
from lorag.integrations.git_repo import commit, init_repository
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.init_workspace import template
from lorag.workspace import Workspace
from tests.releases.test_shelf import release

N = 12


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A repository whose first commit, `main`, found every question at once."""
    root = tmp_path / "handbook"
    root.mkdir()
    init_repository(root)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(template(name), root / name)
    found = Workspace(root)
    evaluate(found, [1] * N)
    save(found, "Evaluate")
    monkeypatch.chdir(root)
    return found


def evaluate(
    workspace: Workspace, ranks: Sequence[int | None], *, corpus: str = "one", missing: str = "", asked: str = "a"
) -> None:
    rows = []
    for number, rank in enumerate(ranks):
        name, gone = f"q{number}", f"q{number}" == missing
        found = {} if gone else {kind: (rank,) for kind in ("dense", "bm25", "fused")}
        rows.append(Searched(name, name, asked, ("pier.md",), ("pier.md",) if gone else (), not gone, found))
    write_questions(workspace.searched_questions, rows)
    (workspace.reports / "index.json").write_text(json.dumps({"corpus_digest": corpus, "n_documents": 3}))


def answer(workspace: Workspace, *right: bool, chunks: str = "1") -> None:
    rows = [Answered(f"q{n}", f"q{n}", Topic.FACT, "a", {"rag": is_right}) for n, is_right in enumerate(right)]
    write_questions(workspace.answered_questions, rows)
    made = f"    outs:\n    - path: artifacts/chunks.jsonl\n      md5: {chunks * 32}\n"
    read = f"    deps:\n    - path: artifacts/chunks.jsonl\n      md5: {'1' * 32}\n"
    (workspace.root / "dvc.lock").write_text(f"stages:\n  chunks:\n{made}  comparison:\n{read}")


def save(workspace: Workspace, message: str) -> None:
    paths = [path.name for path in workspace.root.iterdir() if path.name != ".git"]
    assert commit(workspace.root, paths, message)


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, dict[str, Any]]:
    status = run(["check", "--against", "main", *arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_nothing_changed_passes_and_nothing_is_written(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    status, result = checked(capsys)
    assert (status, result["passed"], result["same_corpus"], result["settings"]) == (0, True, True, {})
    assert result["parts"]["search"]["questions"] == {
        "compared": N,
        "edited": 0,
        "only_before": 0,
        "only_now": 0,
        "unusable": 0,
    }
    assert "there is no comparison" in result["left_out"]["answers"]
    assert result["pending"] == []
    left = subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=workspace.root, capture_output=True)
    assert left.stdout == b""


def test_a_loss_ends_with_the_status_of_a_gate_and_names_its_questions(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(workspace, [None] * 6 + [1] * 4 + [2, 1], corpus="two", missing="q11")
    status, result = checked(capsys)
    assert (status, result["passed"], result["same_corpus"]) == (4, False, False)
    recall = next(each for each in result["parts"]["search"]["figures"] if each["measure"] == "recall_at_10")
    assert recall["is_loss"] and recall["lost"] == [f"q{n}" for n in range(6)]
    assert (recall["before"], recall["now"]) == (1, pytest.approx(5 / 11))
    assert result["vanished"] == [{"question": "q11", "document": "pier.md", "what": "the document is gone"}]

    assert run(["check", "--against", "main", "--markdown"]) == 4
    text = capsys.readouterr().out
    assert text.startswith("### Something was lost against `main`\n\nLower beyond the paired 95% interval: search:")
    assert "- the documents are not the same: 3 there, 3 here" in text
    assert "- q11: the document is gone: pier.md" in text
    assert "- q0: search (nDCG@10, recall@1" in text
    rows = [line for line in text.splitlines() if line.startswith("| search | recall@10 |")]
    assert len(rows) == 1 and "| 6 of 11 | loss |" in rows[0]

    assert run(["check", "--against", "main"]) == 4
    shown = capsys.readouterr().out
    assert "Search: 11 questions that both have; left out: 1 without their documents" in shown
    assert "q11: the document is gone: pier.md" in shown


def test_answers_are_compared_if_each_comparison_is_of_its_own_index(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(workspace, *[True] * N)
    save(workspace, "Compare")
    assert checked(capsys)[1]["parts"]["answers"]["questions"]["compared"] == N
    answer(workspace, *[False] * 8, *[True] * 4)
    status, result = checked(capsys)
    (right,) = result["parts"]["answers"]["figures"]
    assert (status, right["of"], right["measure"], right["is_loss"]) == (4, "rag", "accuracy", True)
    answer(workspace, *[False] * N, chunks="2")
    status, result = checked(capsys)
    assert (status, list(result["parts"])) == (0, ["search"])
    assert "the comparison is older than the index" in result["left_out"]["answers"]


def test_an_evaluation_that_is_older_than_the_documents_says_so(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    ReleaseShelf(workspace.state).publish(release(1), expected_served=None)
    assert "files of the source changed" in checked(capsys)[1]["pending"]
    assert run(["check", "--against", "main"]) == 0
    said = capsys.readouterr().out
    assert "The evaluation here is not of what is here: " in said and "run `lorag refresh`" in said


def test_settings_that_differ_are_said_and_each_side_keeps_its_retriever(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    text = workspace.params_file.read_text()
    workspace.params_file.write_text(text.replace("retriever: fused", "retriever: bm25"))
    status, result = checked(capsys)
    assert (status, result["settings"]) == (0, {"search.retriever": ["fused", "bm25"]})


def test_edited_questions_are_compared_across_corpora_only(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(workspace, [1] * N, asked="b")
    assert run(["check", "--against", "main"]) == 2
    said = capsys.readouterr().err
    assert "no question is the same in both" in said and "12 have the same id" in said and "--across-corpora" in said
    status, result = checked(capsys, "--across-corpora")
    assert (status, result["parts"]["search"]["questions"]["compared"]) == (0, N)


@pytest.mark.parametrize("revision", ["nope", "-h", "main:params.yaml", "", "HEAD~9"])
def test_an_unknown_revision_is_one_line(
    revision: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", f"--against={revision}"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error[E002] no revision {revision!r}") and len(said.splitlines()) == 1
    assert "git fetch --unshallow" in said


def test_no_evaluation_there_or_here_is_one_line(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.searched_questions.unlink()
    assert run(["check", "--against", "main"]) == 2
    said = capsys.readouterr().err
    assert f"there is no evaluation by question – {workspace.root} – run `lorag refresh`" in said
    save(workspace, "Evaluate no more")
    evaluate(workspace, [1] * N)
    assert run(["check", "--against", "main"]) == 2
    said = capsys.readouterr().err
    assert "– revision main – run `lorag refresh` there" in said and len(said.splitlines()) == 1


def test_a_damaged_report_is_named(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.searched_questions.write_text("<<<<<<< HEAD\n")
    assert run(["check", "--against", "main"]) == 7
    assert "reports/retrieval_questions.jsonl:1" in capsys.readouterr().err
    evaluate(workspace, [1] * N)
    (workspace.reports / "index.json").write_text("{}")
    assert run(["check", "--against", "main"]) == 7
    assert "reports/index.json" in capsys.readouterr().err
