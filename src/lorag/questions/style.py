"""The style of answers: examples to learn it from, and questions that show whether it was learned."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lorag.errors import InputRejected
from lorag.questions.questions import Text, first_problem, parse_json, question_lines


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    question: Text = Field(pattern=r"\S")
    answer: Text | None = Field(default=None, pattern=r"\S")
    pattern: Text | None = Field(default=None, pattern=r"\S")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.answer is None) == (self.pattern is None):
            raise ValueError("give either an answer to learn from or a pattern to check answers by")
        try:
            re.compile(self.pattern or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"the pattern is not a regular expression: {error}") from None
        return self


@dataclass(frozen=True, slots=True)
class StyledAnswer:
    """A question and its answer in the wanted style."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class StyleProbe:
    """A question that is never trained on; the regular expression matches a whole answer in the wanted style."""

    question: str
    pattern: str


@dataclass(frozen=True, slots=True)
class StyleSet:
    """The examples to learn from and the questions to ask, both in the order of the file."""

    examples: tuple[StyledAnswer, ...] = ()
    probes: tuple[StyleProbe, ...] = ()


def matches_style(text: str, pattern: str) -> bool:
    """Whether the pattern matches the whole answer; a dot matches line ends too."""
    return re.fullmatch(pattern, text, re.DOTALL) is not None


def read_style(path: Path) -> StyleSet:
    """Read the lines of a JSONL file: `question`, and either `answer` or `pattern`.

    Raises InputRejected for a line of another form.
    """
    examples, probes = [], []
    for where, line in question_lines(path):
        try:
            row = _Line.model_validate(parse_json(line))
        except ValidationError as error:
            do = "write question and answer, or question and pattern"
            raise InputRejected(first_problem(error), where=where, do=do) from None
        except (ValueError, RecursionError) as error:
            raise InputRejected(f"bad JSON: {error}", where=where, do="fix the line") from None
        if row.answer is not None:
            examples.append(StyledAnswer(row.question, row.answer))
        elif row.pattern is not None:
            probes.append(StyleProbe(row.question, row.pattern))
    return StyleSet(tuple(examples), tuple(probes))
