"""The exam of an adapter before it may serve: its questions, and the marks for its answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lorag.answering.declining import is_declined
from lorag.answering.generator import Message
from lorag.answering.quotes import split_quote
from lorag.evaluation.answers import contains_answer, exact_match, token_f1


class Topic(StrEnum):
    """The topic of a question in the exam."""

    FACT = "fact"
    CONTROL = "control"
    REFUSAL = "refusal"
    CHANGED_CONTEXT = "changed_context"
    IRRELEVANT_CONTEXT = "irrelevant_context"


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the model reads it; without accepted answers it should be declined. Facts have a `fact_id`.

    Without messages no model is asked, as when the search found nothing to answer from.
    """

    topic: Topic
    question: str
    messages: tuple[Message, ...]
    accepted: tuple[str, ...]
    fact_id: str = ""


@dataclass(frozen=True, slots=True)
class Marks:
    """The shares (0..1) over the questions of each topic; None if the topic has no questions.

    `accuracy` counts answers that contain an accepted one, `exact_match` those that say nothing else.
    """

    accuracy: float | None
    exact_match: float | None
    f1: float | None
    controls: float | None
    refusal: float | None
    context_reading: float | None
    irrelevant_answered: float | None


def is_right(asked: Asked, text: str) -> bool:
    """Whether an answer, without its own quote, contains an accepted one, or declines if there is none."""
    return contains_answer(split_quote(text).value, asked.accepted) if asked.accepted else is_declined(text)


def mark(paper: Sequence[Asked], answers: Sequence[str]) -> Marks:
    """Return the marks of answers that are in the order of the questions."""
    rows = list(zip(paper, answers, strict=True))
    facts = [(asked, text) for asked, text in rows if asked.topic is Topic.FACT]
    irrelevant = _share_right(rows, Topic.IRRELEVANT_CONTEXT)
    return Marks(
        accuracy=_mean([is_right(asked, text) for asked, text in facts]),
        exact_match=_mean([exact_match(split_quote(text).value, asked.accepted) for asked, text in facts]),
        f1=_mean([token_f1(split_quote(text).value, asked.accepted) for asked, text in facts]),
        controls=_share_right(rows, Topic.CONTROL),
        refusal=_share_right(rows, Topic.REFUSAL),
        context_reading=_share_right(rows, Topic.CHANGED_CONTEXT),
        irrelevant_answered=None if irrelevant is None else 1 - irrelevant,
    )


def mark_facts(paper: Sequence[Asked], answers: Sequence[str]) -> dict[str, float]:
    """Return the share of right answers by fact."""
    by_fact: dict[str, list[bool]] = {}
    for asked, text in zip(paper, answers, strict=True):
        if asked.topic is Topic.FACT:
            by_fact.setdefault(asked.fact_id, []).append(is_right(asked, text))
    return {fact: sum(right) / len(right) for fact, right in sorted(by_fact.items())}


def answer_table(paper: Sequence[Asked], answers: Sequence[str]) -> list[dict[str, Any]]:
    """Return each question with its answer, for a person to read."""
    return [
        {
            "topic": asked.topic.value,
            "fact_id": asked.fact_id,
            "question": asked.question,
            "accepted": list(asked.accepted),
            "answer": text,
            "right": is_right(asked, text),
        }
        for asked, text in zip(paper, answers, strict=True)
    ]


def _share_right(rows: Sequence[tuple[Asked, str]], topic: Topic) -> float | None:
    return _mean([is_right(asked, text) for asked, text in rows if asked.topic is topic])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
