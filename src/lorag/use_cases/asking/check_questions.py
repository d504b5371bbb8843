"""A look at the questions file before any work, so that a mistake in it is reported at once."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from lorag.errors import InputRejected
from lorag.params import Params
from lorag.questions.questions import read_questions
from lorag.workspace import Workspace


def check_questions(workspace: Workspace, params: Params) -> None:
    """Raise InputRejected with file, line and field if the questions file, where it comes from, cannot be read.

    A missing file is left to the step that copies it.
    """
    knowledge = params.knowledge
    path = workspace.resolve(knowledge.questions_origin or knowledge.questions)
    if path.exists():
        read_questions(path)


def pages_asked(path: Path) -> Mapping[str, Sequence[str]]:
    """Return the pages that each question of a file names, by its id; empty if the file cannot be read."""
    try:
        return {question.id: question.gold_doc_ids for question in read_questions(path)}
    except InputRejected:
        # Whoever needs the questions reports what is wrong with them.
        return {}
