"""Questions with accepted answers and the documents that hold them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorag.errors import InputRejected
from lorag.knowledge.documents import Document


class Question(BaseModel):
    """One line of a questions file; other keys are allowed and ignored.

    `gold_doc_ids` are paths relative to the source, or document ids. `phrasings` may be trained on,
    `held_out_phrasings` never. `valid_from` and `valid_to` name versions of the knowledge, the latter exclusive.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    question: str = Field(min_length=1)
    answers: tuple[str, ...]
    gold_doc_ids: tuple[str, ...]
    fact_id: str | None = None
    phrasings: tuple[str, ...] = ()
    held_out_phrasings: tuple[str, ...] = ()
    change: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None


@dataclass(frozen=True, slots=True)
class GoldenQuestion:
    """A question and the ids of the indexed documents that answer it."""

    id: str
    question: str
    document_ids: frozenset[str]


def read_questions(path: Path) -> list[Question]:
    """The questions of a JSONL file in its order; an empty file gives none.

    Raises InputRejected naming file, line and field for a line that is not a question, and for an id used twice.
    """
    try:
        # Not splitlines: it also breaks at characters that may stand in a JSON string, such as U+2028.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise InputRejected("no questions file", where=str(path), do="give the path of a JSONL file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputRejected(f"cannot read questions: {error}", where=str(path), do="make it UTF-8 text") from error
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, start=1):
        if line.strip():
            question = _parse(line, f"{path.name}:{number}")
            if question.id in questions:
                raise InputRejected(f"the id {question.id!r} is used twice", where=f"{path.name}:{number}")
            questions[question.id] = question
    return list(questions.values())


def golden_questions(questions: Sequence[Question], documents: Sequence[Document]) -> list[GoldenQuestion]:
    """Those questions whose gold documents are all there, by any name under which a document was found."""
    ids: Mapping[str, str] = {name: document.id for document in documents for name in (document.id, *document.sources)}
    found = []
    for question in questions:
        if question.gold_doc_ids and all(name in ids for name in question.gold_doc_ids):
            gold = frozenset(ids[name] for name in question.gold_doc_ids)
            found.append(GoldenQuestion(question.id, question.question, gold))
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _parse(line: str, where: str) -> Question:
    try:
        return Question.model_validate(json.loads(line, parse_constant=_refuse_constant))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise InputRejected(f"{field}: {first['msg']}", where=where, do="see docs/questions.md") from None
    except json.JSONDecodeError as error:
        raise InputRejected(f"bad JSON: {error.msg}", where=f"{where}:{error.colno}", do="mend the line") from None
    except (ValueError, RecursionError) as error:
        raise InputRejected(f"bad JSON: {error}", where=where, do="mend the line") from None
