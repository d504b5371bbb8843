"""The questions that all strategies are asked, where possible in words that no adapter was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lorag.digests import digest_of
from lorag.params import Wording
from lorag.questions.facts import Fact, fact_of
from lorag.questions.questions import Question
from lorag.questions.style import StyleProbe

UNLABELLED = "unlabelled"
"""The stratum of a fact whose question has no `change`."""


class Topic(StrEnum):
    """The purpose of a question."""

    FACT = "fact"
    CONTROL = "control"
    UNANSWERABLE = "unanswerable"
    STYLE = "style"


@dataclass(frozen=True, slots=True)
class SetQuestion:
    """A question as it is asked. `gold_chunks` come best first; `stratum` is the topic if it does not ask for a fact.

    A question without accepted answers should be declined, unless it asks for style: then `pattern` is the regular
    expression that matches a whole answer in the wanted style.
    """

    id: str
    topic: Topic
    fact_id: str
    stratum: str
    text: str
    accepted: tuple[str, ...]
    gold_documents: tuple[str, ...] = ()
    gold_chunks: tuple[str, ...] = ()
    pattern: str | None = None


def compile_questions(
    facts: Sequence[Fact],
    controls: Sequence[Question],
    unanswerable: Sequence[Question],
    style: Sequence[StyleProbe],
    wording: Wording,
    limit: int | None,
) -> list[SetQuestion]:
    """Return facts, controls with an answer, unanswerable questions and style questions, in this fixed order.

    No wording of a control is ever trained on: controls without an answer are asked in all their wordings, because
    there are few of them. Adapters learn to decline `unanswerable`, so only its held-out phrasings are asked. If there
    are more than `limit` questions, at least half of those that stay ask for facts, if there are so many. Of facts and
    others, those whose ids hash lowest stay; between equal ids the topic decides.
    """
    every = [
        *(_of_fact(fact, wording) for fact in facts),
        *(_of_control(question, wording) for question in controls if question.answers),
        *(each for q in controls if not q.answers for each in _declined(q, _all_wordings(q))),
        *(each for q in unanswerable for each in _declined(q, q.held_out_phrasings)),
        *(_of_style(probe, number) for number, probe in enumerate(style, start=1)),
    ]
    if limit is None or len(every) <= limit:
        return every

    def rank(at: int) -> tuple[str, Topic, int]:
        return digest_of(["compared", every[at].id]), every[at].topic, at

    ranked = sorted(range(len(every)), key=rank)
    of_facts = [at for at in ranked if every[at].topic is Topic.FACT]
    others = [at for at in ranked if every[at].topic is not Topic.FACT]
    n_facts = min(len(of_facts), max((limit + 1) // 2, limit - len(others)))
    return [every[at] for at in sorted([*of_facts[:n_facts], *others[: limit - n_facts]])]


def question_set_digest(questions: Sequence[SetQuestion]) -> str:
    """Return a digest of the questions and their accepted answers."""
    return digest_of([[q.id, q.text, list(q.accepted), *([q.pattern] if q.pattern else [])] for q in questions])


def asked_wording(question: Question, wording: Wording) -> str:
    """Return the last held-out phrasing, or the question's own words if there is none or `wording` asks for them."""
    return [question.question, *question.held_out_phrasings][-1 if wording is Wording.HELD_OUT else 0]


def _all_wordings(question: Question) -> Sequence[str]:
    return (question.question, *question.phrasings, *question.held_out_phrasings)


def _of_fact(fact: Fact, wording: Wording) -> SetQuestion:
    return SetQuestion(
        id=fact.question.id,
        topic=Topic.FACT,
        fact_id=fact.id,
        stratum=fact.question.change or UNLABELLED,
        text=asked_wording(fact.question, wording),
        accepted=fact.question.answers,
        gold_documents=tuple(sorted(fact.documents)),
        gold_chunks=tuple(chunk.id for chunk in fact.gold),
    )


def _of_control(question: Question, wording: Wording) -> SetQuestion:
    text = asked_wording(question, wording)
    return SetQuestion(
        question.id, Topic.CONTROL, fact_of(question), Topic.CONTROL.value, text, accepted=question.answers
    )


def _declined(question: Question, wordings: Sequence[str]) -> Iterator[SetQuestion]:
    topic = Topic.UNANSWERABLE
    for number, text in enumerate(wordings, start=1):
        yield SetQuestion(f"{question.id}#{number}", topic, fact_of(question), topic.value, text, accepted=())


def _of_style(probe: StyleProbe, number: int) -> SetQuestion:
    topic, name = Topic.STYLE, f"style-{number}"
    return SetQuestion(name, topic, name, topic.value, probe.question, accepted=(), pattern=probe.pattern)
