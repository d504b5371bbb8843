"""The answers that a new release turns: questions that another sentence answers best now, and the page that has it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.sentence_features import ChosenSentence, EmbedTexts
from lorag.questions.questions import GoldenQuestion
from lorag.retrieval.index.store import Hit

_READ = 3
"""The passages of which a sentence may answer; an answer of `lorag ask` reads a few more."""


@dataclass(frozen=True, slots=True)
class Turned:
    """A question by its id, the sentence that answered it best before, and the one that does now, in `document`.

    `is_new` says that the release before did not have that document; otherwise the document has changed.
    """

    question: str
    before: str
    after: str
    document: str
    is_new: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def find_turned(
    questions: Sequence[GoldenQuestion],
    found: Mapping[str, Sequence[Hit]],
    written: Collection[str],
    search_before: Callable[[GoldenQuestion], Sequence[Hit]],
    documents_before: Collection[str],
    embed: EmbedTexts,
) -> tuple[Turned, ...]:
    """Return the questions whose best quoted sentence is another one, in a passage that this release brought.

    `found` are the hits in the new index by question id, best first, and `written` the ids of its new chunks. Only
    questions of which the best passage is new are looked at, because only these cost anything. A question that nothing
    answered before is not among them.
    """
    turned = []
    for question in questions:
        hits = found[question.id]
        if not hits or hits[0].chunk.id not in written:
            continue
        after = _quote(question.question, hits, embed)
        if after is None or after.chunk.id not in written:
            continue
        before = _quote(question.question, search_before(question), embed)
        if before is not None and _words(before) != _words(after):
            document = after.chunk.document_id
            is_new = document not in documents_before
            turned.append(Turned(question.id, _words(before), _words(after), document, is_new))
    return tuple(turned)


def _quote(question: str, hits: Sequence[Hit], embed: EmbedTexts) -> ChosenSentence | None:
    ranked = rank_sentences(question, [hit.chunk for hit in hits[:_READ]], embed) if hits else []
    return max(choose_quote(question, ranked), key=lambda sentence: sentence.score, default=None)


def _words(sentence: ChosenSentence) -> str:
    return " ".join(sentence.text.split())
