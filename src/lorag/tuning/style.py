"""A set of questions and answers in the voice and format that is wanted."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lorag.errors import InputRejected
from lorag.evaluation.questions import parse_json, question_lines


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: str = Field(pattern=r"\S")
    answer: str = Field(pattern=r"\S")


@dataclass(frozen=True, slots=True)
class StyledAnswer:
    """A question and its answer as it should sound."""

    question: str
    answer: str


def read_style(path: Path) -> list[StyledAnswer]:
    """The lines of a JSONL file with the keys `question` and `answer` and no others, in its order."""
    rows = []
    for where, line in question_lines(path):
        try:
            row = _Line.model_validate(parse_json(line))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the line"
            raise InputRejected(f"{field}: {first['msg']}", where=where, do="write question and answer") from None
        except (ValueError, RecursionError) as error:
            raise InputRejected(f"bad JSON: {error}", where=where, do="mend the line") from None
        rows.append(StyledAnswer(row.question, row.answer))
    return rows
