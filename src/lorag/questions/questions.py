"""Questions with accepted answers and the documents that contain them."""

import difflib
import json
import math
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from lorag.counted import counted
from lorag.errors import InputRejected
from lorag.knowledge.documents import Document

MAX_SKIPPED_SHARE = 0.01
"""The greatest share of lines in a training file that may be bad and skipped."""

_MAX_INTEGER = 2**63
_NEAR_MISS = 0.75


def compose(text: str) -> str:
    """Return the text in NFC, the form in which documents are indexed."""
    return unicodedata.normalize("NFC", text)


Text = Annotated[str, AfterValidator(compose)]
"""Text in NFC."""


class Question(BaseModel):
    """A line of a questions file; other keys are allowed and ignored.

    `gold_doc_ids` are paths relative to the source, or document ids. `phrasings` may be trained on,
    `held_out_phrasings` and `oblique_phrasings` never: the latter ask by allusion, which only the documents explain.
    `valid_from` and `valid_to` name versions of the knowledge, the latter exclusive.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str = Field(min_length=1)
    question: Text = Field(min_length=1)
    answers: tuple[Text, ...]
    gold_doc_ids: tuple[str, ...]
    fact_id: str | None = None
    phrasings: tuple[Text, ...] = ()
    held_out_phrasings: tuple[Text, ...] = ()
    oblique_phrasings: tuple[Text, ...] = ()
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
    """Read the questions of a JSONL file in its order; an empty file gives none.

    Raises InputRejected with file, line and field for a line that is not a question, and for an id used twice.
    """
    questions: dict[str, Question] = {}
    for where, line in question_lines(path):
        _add(_parse(line, where), questions, where)
    return list(questions.values())


@dataclass(frozen=True, slots=True)
class TrainingQuestions:
    """The questions that may be trained on, and the error of each line that was skipped."""

    questions: tuple[Question, ...]
    skipped: tuple[InputRejected, ...]


def read_training_questions(path: Path, *, skip_bad: bool = False) -> TrainingQuestions:
    """Read questions as `read_questions` does, but strictly, because a mistake would be learned.

    It refuses a key that is nearly one of Question's, empty wordings and answers, and a question without answers that
    names gold documents. With `skip_bad`, up to `MAX_SKIPPED_SHARE` of the lines may be bad and are left out; more bad
    lines still raise InputRejected.
    """
    lines = list(question_lines(path))
    questions: dict[str, Question] = {}
    skipped: list[InputRejected] = []
    for where, line in lines:
        try:
            question = _parse(line, where, strict=True)
            _refuse_empty(question, where)
            _add(question, questions, where)
        except InputRejected as error:
            skipped.append(error)
            if not skip_bad:
                raise
    if len(skipped) > MAX_SKIPPED_SHARE * len(lines):
        raise InputRejected(
            f"{len(skipped)} of {counted(len(lines), 'line is', 'lines are')} bad, more than {MAX_SKIPPED_SHARE:.0%}; "
            f"the first: {skipped[0]}",
            where=path.name,
            do="fix the file",
        )
    return TrainingQuestions(tuple(questions.values()), tuple(skipped))


def golden_questions(questions: Sequence[Question], documents: Sequence[Document]) -> list[GoldenQuestion]:
    """Return the questions whose gold documents are all there, by any name under which a document was found."""
    ids: Mapping[str, str] = {name: document.id for document in documents for name in (document.id, *document.sources)}
    found = []
    for question in questions:
        if question.gold_doc_ids and all(name in ids for name in question.gold_doc_ids):
            gold = frozenset(ids[name] for name in question.gold_doc_ids)
            found.append(GoldenQuestion(question.id, question.question, gold))
    return found


def question_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield place (file and line) and text of each line that is not blank.

    Raises InputRejected for an unreadable file.
    """
    try:
        # Not splitlines: it also breaks at characters that a JSON string may contain, such as U+2028.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError:
        raise InputRejected("no questions file", where=str(path), do="give the path of a JSONL file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputRejected(f"cannot read questions: {error}", where=str(path), do="make it UTF-8 text") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield f"{path.name}:{number}", line


def _add(question: Question, questions: dict[str, Question], where: str) -> None:
    if question.id in questions:
        raise InputRejected(f"the id {question.id!r} is used twice", where=where, do="give each question its own")
    questions[question.id] = question


def _parse(line: str, where: str, *, strict: bool = False) -> Question:
    try:
        value = parse_json(line)
    except json.JSONDecodeError as error:
        raise InputRejected(f"bad JSON: {error.msg}", where=f"{where}:{error.colno}", do="fix the line") from None
    except (ValueError, RecursionError) as error:
        raise InputRejected(f"bad JSON: {error}", where=where, do="fix the line") from None
    if strict and isinstance(value, dict):
        _refuse_near_misses(value, where)
    try:
        return Question.model_validate(value)
    except ValidationError as error:
        raise InputRejected(first_problem(error), where=where, do="see docs/questions.md") from None


def first_problem(error: ValidationError) -> str:
    """Return the first field of a line that is not as it should be, and why; a name of any length is cut."""
    first = error.errors()[0]
    field = ".".join(str(part)[:80] for part in first["loc"]) or "the line"
    return f"{field}: {first['msg'][:200]}"


def parse_json(text: str) -> Any:
    """Parse JSON strictly by the standard; NaN and numbers beyond a float or 64 bits raise ValueError."""
    return json.loads(text, parse_constant=_refuse_number, parse_float=_parse_float, parse_int=_parse_int)


def _refuse_number(text: str) -> Any:
    raise ValueError(f"{text[:20]} is not JSON")


def _parse_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else float(_refuse_number(text))


def _parse_int(text: str) -> int:
    return value if len(text) < 30 and abs(value := int(text)) < _MAX_INTEGER else int(_refuse_number(text))


def _refuse_near_misses(value: Mapping[str, Any], where: str) -> None:
    known = list(Question.model_fields)
    for key in value:
        close = difflib.get_close_matches(key.lower(), known, n=1, cutoff=_NEAR_MISS)
        if close and key not in known:
            raise InputRejected(f"unknown key `{key[:80]}`", where=where, do=f"did you mean `{close[0]}`?")


def _refuse_empty(question: Question, where: str) -> None:
    texts = {
        "question": (question.question,),
        "answers": question.answers,
        "phrasings": question.phrasings,
        "held_out_phrasings": question.held_out_phrasings,
        "oblique_phrasings": question.oblique_phrasings,
    }
    for field, values in texts.items():
        if not all(value.strip() for value in values):
            raise InputRejected(f"{field}: an empty text", where=where, do="write it, or leave it out")
    if question.gold_doc_ids and not question.answers:
        raise InputRejected(
            "answers: none, although a document is named", where=where, do="write the answer, or name no document"
        )
