"""The evaluation in the files that git keeps of a workspace, as they are here or at another revision."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.evaluation.by_question import Answered, Searched, parse_questions
from lorag.integrations.git_repo import read_at
from lorag.params_file import flat_params, parse_yaml
from lorag.workspace import Workspace

CHUNKS = "artifacts/chunks.jsonl"

Row = TypeVar("Row")

ReadFile = Callable[[str], str | None]
"""A function that returns a file of the workspace, named by its path in it, as text; None if there is none."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of one state of the workspace.

    `settings` are all values of params.yaml by their path. `answered` is None if no comparison belongs to this index;
    then `no_answers` says why.
    """

    corpus_digest: str
    n_documents: int
    settings: Mapping[str, Any]
    searched: Sequence[Searched]
    answered: Sequence[Answered] | None
    no_answers: str = ""

    @property
    def retriever(self) -> str:
        """The retriever in use, by the name that the retrieval evaluation gives it."""
        return "reranked" if self.settings.get("search.reranker") else str(self.settings.get("search.retriever"))


def read_evaluation(workspace: Workspace, commit: str | None = None, name: str = "") -> Evaluation:
    """Return the evaluation of a commit, called `name` in messages; without one that of the files as they are.

    Raises WorkspaceError if there is none, and IntegrityFailed for a damaged file.
    """
    where = f"revision {name}" if commit else str(workspace.root)
    read = partial(_read_here, workspace) if commit is None else partial(read_at, workspace.root, commit)
    searched = _rows(read, f"reports/{workspace.searched_questions.name}", Searched.from_json, where)
    index = read("reports/index.json")
    if searched is None or index is None:
        there = " there" if commit else ""
        raise WorkspaceError(
            "there is no evaluation by question",
            where=where,
            do=f"run `lorag refresh`{there} and commit reports/; a workspace of an earlier version needs `lorag "
            "upgrade` first",
        )
    if not any(row.ranks for row in searched):
        raise WorkspaceError(
            "no question of the evaluation names a document that is there", where=where, do="see docs/questions.md"
        )
    answered = _rows(read, f"reports/{workspace.answered_questions.name}", Answered.from_json, where)
    why = "there is no comparison"
    if answered is not None and not _is_of_index(read("dvc.lock") or "", where):
        answered, why = None, "the comparison is older than the index"
    try:
        found = json.loads(index)
        return Evaluation(
            found["corpus_digest"],
            found["n_documents"],
            dict(flat_params(parse_yaml(read("params.yaml") or "", f"{where}: params.yaml"))),
            searched,
            answered,
            "" if answered is not None else f"{where}: {why}; run `lorag compare` and commit reports/",
        )
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityFailed(
            f"damaged report: {error!r}", where=f"{where}: reports/index.json", do="run `lorag refresh` again"
        ) from error


def _read_here(workspace: Workspace, path: str) -> str | None:
    try:
        return (workspace.root / path).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None


def _rows(read: ReadFile, path: str, parse: Callable[[Any], Row], where: str) -> list[Row] | None:
    text = read(path)
    return None if text is None else parse_questions(text, parse, where=f"{where}: {path}")


def _is_of_index(lock: str, where: str) -> bool:
    """Whether the comparison was made of the chunks that the pipeline made last, as dvc.lock says."""
    try:
        stages = parse_yaml(lock, f"{where}: dvc.lock")["stages"]
        read, made = ({entry["path"]: entry["md5"] for entry in entries} for entries in _chunks_in(stages))
        return bool(read[CHUNKS] == made[CHUNKS])
    except (KeyError, TypeError):
        return False


def _chunks_in(stages: Mapping[str, Any]) -> tuple[Any, Any]:
    return stages["comparison"]["deps"], stages["chunks"]["outs"]
