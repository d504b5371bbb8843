"""A drafted question, and the file of drafts: JSON lines, each a question with where it comes from and who decided."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from lorag.errors import InputRejected
from lorag.questions.questions import Question, first_problem, parse_json, question_lines


class DraftStatus(StrEnum):
    """What a person decided about a draft."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DROPPED = "dropped"


class Origin(StrEnum):
    """Who formed the question."""

    FORM = "form"
    MODEL = "model"


class Draft(BaseModel):
    """A line of a drafts file; the keys of a question have the names that they have in a questions file.

    `sentence` is the passage's sentence that answers, letter by letter, and `passage` the whole text of its chunk below
    `headings`. `rank` is the place of the passage among what the search found, from 1. `answered_by` is the kind of the
    reader's answer. `reviewed_at` is in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    question: str
    answers: tuple[str, ...]
    gold_doc_ids: tuple[str, ...]
    phrasings: tuple[str, ...] = ()
    held_out_phrasings: tuple[str, ...] = ()
    status: DraftStatus = DraftStatus.OPEN
    origin: Origin
    value_kind: str
    sentence: str
    passage: str
    headings: str
    chunk_id: str
    changed: bool
    rank: int
    answered_by: str
    model: str
    release: str
    reviewed_by: str | None = None
    reviewed_at: str | None = None

    def accepted_line(self) -> dict[str, Any]:
        """Return the question as a line of a questions file, with who accepted it and when."""
        question = Question(
            id=self.id,
            question=self.question,
            answers=self.answers,
            gold_doc_ids=self.gold_doc_ids,
            phrasings=self.phrasings,
            held_out_phrasings=self.held_out_phrasings,
        )
        kept = question.model_dump(include=set(_QUESTION_KEYS), mode="json")
        return {key: kept[key] for key in _QUESTION_KEYS} | {
            "drafted": True,
            "reviewed_by": self.reviewed_by,
            "reviewed_at": self.reviewed_at,
        }


_QUESTION_KEYS = ("id", "question", "answers", "gold_doc_ids", "phrasings", "held_out_phrasings")


def read_drafts(path: Path) -> list[Draft]:
    """Return the drafts of a file in its order; raise InputRejected for an unreadable file or a line that is none."""
    drafts: dict[str, Draft] = {}
    for where, line in question_lines(path):
        try:
            draft = Draft.model_validate(parse_json(line))
        except (ValidationError, ValueError, RecursionError) as error:
            what = first_problem(error) if isinstance(error, ValidationError) else str(error)
            raise InputRejected(
                f"not a draft: {what}", where=where, do="delete the line, or name a file of `lorag questions draft`"
            ) from None
        # A line that was written twice, as after a kill, is the same draft.
        drafts[draft.id] = draft
    return list(drafts.values())


def draft_line(draft: Draft) -> str:
    """Return the draft as a line of a file, with its end."""
    return json.dumps(draft.model_dump(mode="json"), ensure_ascii=False) + "\n"
