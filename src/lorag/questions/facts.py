"""The facts that questions ask for, with the chunks that state them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lorag.digests import digest_of
from lorag.knowledge.documents import Chunk, Document
from lorag.questions.questions import Question
from lorag.questions.words import normalise, states

NO_ANSWER = digest_of([])
"""The digest of a fact that no document states."""


class RefusedReason(StrEnum):
    """The reason why a row of training data was left out."""

    BAD_LINE = "bad_line"
    UNKNOWN_DOCUMENT = "unknown_document"
    NO_DOCUMENT = "no_document"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class RefusedRow:
    """A row that is not trained on: its name, the reason, and a detail for a person."""

    name: str
    reason: RefusedReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """The fact that a question asks for; without answers, it is something that no document says.

    `documents` maps the gold documents to their versions. `gold` holds those of their chunks that state the answer
    literally, and `literal` is true; if no chunk does, `gold` holds all their chunks.
    """

    id: str
    question: Question
    documents: Mapping[str, str]
    gold: tuple[Chunk, ...]
    literal: bool

    @property
    def answer(self) -> str:
        """The answer as the documents write it."""
        return self.question.answers[0]

    @property
    def training_wordings(self) -> list[tuple[str, str]]:
        """The method and text of each wording that may be trained on."""
        phrasings = [(f"phrasing {at}", text) for at, text in enumerate(self.question.phrasings, start=1)]
        return [("canonical", self.question.question), *phrasings]


def fact_of(question: Question) -> str:
    """Return the id of the fact that a question asks for; the question's own id if it names no fact."""
    return question.fact_id or question.id


def fact_digests(questions: Iterable[Question]) -> dict[str, str]:
    """Return for each fact id, sorted, the digest of the answers of all its questions: it changes when a fact does.

    Questions with answers win over those without: an unanswerable question may have the id of a fact.
    """
    digests: dict[str, set[str]] = {}
    for question in questions:
        digests.setdefault(fact_of(question), set()).add(digest_of(list(question.answers)))
    known = {fact: sorted(found - {NO_ANSWER}) or [NO_ANSWER] for fact, found in sorted(digests.items())}
    return {fact: found[0] if len(found) == 1 else digest_of(found) for fact, found in known.items()}


def collect_facts(
    questions: Sequence[Question], documents: Sequence[Document], chunks: Sequence[Chunk]
) -> tuple[list[Fact], list[RefusedRow]]:
    """Return the facts in the order of the questions, and the questions with unknown or without gold documents."""
    by_name = {name: document for document in documents for name in (document.id, *document.sources)}
    facts, refused = [], []
    for question in questions:
        unknown = [name for name in question.gold_doc_ids if name not in by_name]
        if unknown:
            refused.append(RefusedRow(question.id, RefusedReason.UNKNOWN_DOCUMENT, ", ".join(unknown)))
        elif question.answers and not question.gold_doc_ids:
            # An answer that cannot be traced to a document cannot be removed with it.
            refused.append(RefusedRow(question.id, RefusedReason.NO_DOCUMENT, "an answer without a gold document"))
        else:
            gold = {by_name[name].id: by_name[name].version for name in question.gold_doc_ids}
            facts.append(_fact(question, gold, [chunk for chunk in chunks if chunk.document_id in gold]))
    return facts, refused


def find_conflicts(questions: Sequence[Question]) -> frozenset[str]:
    """Return ids of facts whose wording also has another answer: training on them teaches neither answer."""
    answers: dict[str, list[tuple[str, frozenset[str]]]] = {}
    for question in questions:
        accepted = frozenset(normalise(answer) for answer in question.answers)
        for wording in (question.question, *question.phrasings):
            answers.setdefault(normalise(wording), []).append((fact_of(question), accepted))
    return frozenset(fact for rows in answers.values() for fact, own in rows if any(own != other for _, other in rows))


def _fact(question: Question, documents: Mapping[str, str], chunks: Collection[Chunk]) -> Fact:
    stating = tuple(chunk for chunk in chunks if question.answers and states(chunk.text, question.answers[0]))
    return Fact(fact_of(question), question, documents, stating or tuple(chunks), bool(stating))
