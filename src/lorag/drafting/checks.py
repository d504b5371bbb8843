"""The rules that a drafted question has to pass, each with a reason for what it refuses."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from lorag.answering.citations import quotable_spans
from lorag.answering.strategies import Answer, AnswerKind
from lorag.answering.words import content_words, numbers
from lorag.drafting.candidates import Candidate
from lorag.drafting.values import ValueKind, same_kind
from lorag.evaluation.answers import contains_answer
from lorag.knowledge.documents import Chunk
from lorag.knowledge.sentences import sentence_starts
from lorag.questions.words import normalise, states
from lorag.retrieval.index.store import Hit


class DropReason(StrEnum):
    """The reason why a candidate did not become a draft; the last check that its best question reached."""

    COMMON_VALUE = "common_value"
    NO_QUESTION = "no_question"
    BAD_FORM = "bad_form"
    SAYS_ANSWER = "says_answer"
    OTHER_WORDS = "other_words"
    REPEATED = "repeated"
    NOT_UNIQUE = "not_unique"
    NOT_FOUND = "not_found"
    NOT_ANSWERED = "not_answered"


_FORM = re.compile(r"[^?\n]{10,240}\?")
_LEAST_WORDS, _MOST_WORDS = 4, 34
_SPLICE = re.compile(r"\s(?:--|[\u2013\u2014*=<>/|+])\s|\bthat is\s*\?")
_HOW_MANY = re.compile(r"\bhow many\b", re.I)
_HOW_MANY_THINGS = re.compile(
    r"\bhow many (?!thousand|million|billion|hundred)"
    r"(?:(?!was|is|has|does|are|were|have|do|can|may|must|should|will)\w+ ){0,2}"
    r"(?!was\b|is\b|has\b|does\b)(?:\w+(?<![isu])s|men|people|children|feet|data|media|criteria)\b",
    re.I,
)
"""It asks for something of which there may be many: minutes, but not status, basis, process or thousand."""

_WH = re.compile(r"\b(?:what|which|who|whom|whose|when|where|why|how)\b", re.I)
_ASKING = frozenset(
    "default value parameter setting option field property flag variable argument attribute key name called many much "
    "long often time date year month version know tell give number person work working leave out like percentage "
    "say used use none set post held deep wide high tall old one i am please".split()
)
"""Words that a question may add to its sentence, because they only ask."""

_MOST_ADDED = 1
"""How many other words a question may add; with more it often asks about something else."""

_LEAST_SHARED = 2
_NAMES = re.compile(r"(?<=\S )[A-Z][\w-]+|\b\w*[a-z\d][A-Z_]\w*|\d[\d.,:]*\d|\d")
_FEW_DOCUMENTS = 3
_NAMED_KINDS = (ValueKind.IDENTIFIER, ValueKind.NAME)


def check_wording(text: str, candidate: Candidate) -> DropReason | None:
    """Return what is wrong with a question as a text; None if nothing is.

    It is one sentence that asks, does not say the answer, shares words with its sentence, and adds almost none.
    """
    if not _FORM.fullmatch(text) or not _LEAST_WORDS <= len(text.split()) <= _MOST_WORDS or not _WH.search(text):
        return DropReason.BAD_FORM
    if _HOW_MANY.search(text) and not _HOW_MANY_THINGS.search(text):
        return DropReason.BAD_FORM
    if _SPLICE.search(text) or any(sentence_starts(text)):
        return DropReason.BAD_FORM
    value = candidate.value.text
    # The unit of a number may be asked for: `How many days?`.
    if states(text, value) or (numbers(value) or content_words(value)) & content_words(text):
        return DropReason.SAYS_ANSWER
    known = f"{candidate.chunk.context}\n{candidate.sentence}"
    asked, there = content_words(text), content_words(known)
    if len(asked & content_words(candidate.sentence)) < _LEAST_SHARED:
        return DropReason.OTHER_WORDS
    if len({_root(word) for word in asked - _ASKING} - {_root(word) for word in there}) > _MOST_ADDED:
        return DropReason.OTHER_WORDS
    if any(not content_words(name) <= there | _ASKING for name in _NAMES.findall(text)):
        return DropReason.OTHER_WORDS
    return None


def keeps_names(wording: str, question: str) -> bool:
    """Whether another wording has all names, identifiers and numbers of the question."""
    return content_words(" ".join(_NAMES.findall(question))) <= content_words(wording)


def keeps_words(wording: str, question: str) -> bool:
    """Whether a wording of a model lacks at most one of the question's words; one that lacks more asks something else.

    Words that only ask count too: `Which parameter gives the name?` is not `What is the name?`.
    """
    asked = {_root(word) for word in content_words(question)}
    return len(asked - {_root(word) for word in content_words(wording)}) <= 1


@dataclass(slots=True)
class Knowledge:
    """All chunks of a release, prepared for the question whether another of them answers too."""

    chunks: Sequence[Chunk]
    _sentences: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)
    _documents: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        spoken: dict[str, set[str]] = {}
        for chunk in self.chunks:
            headings = content_words(chunk.context)
            for start, end in quotable_spans(chunk.text):
                text = chunk.text[start:end]
                self._sentences.append((chunk.id, text, content_words(text) | headings))
            spoken.setdefault(chunk.document_id, set()).update(content_words(chunk.text))
        for words in spoken.values():
            self._documents.update(words)

    def is_common(self, candidate: Candidate) -> bool:
        """Whether a name or identifier is in so many documents that it answers many questions about them."""
        if candidate.value.kind not in _NAMED_KINDS:
            return False
        return min(self._documents[word] for word in content_words(candidate.value.text)) > max(
            _FEW_DOCUMENTS, len({chunk.document_id for chunk in self.chunks}) // 25
        )

    def answers_elsewhere(self, question: str, candidate: Candidate) -> bool:
        """Whether a sentence elsewhere has all words that the question shares with its own, and a value of the kind.

        Then it gives the same answer, so that the question does not belong to this passage alone, or another one, so
        that the question has two answers. Headings count as words of their sentences.
        """
        own = content_words(candidate.sentence) | content_words(candidate.chunk.context)
        shared = (content_words(question) & own) - content_words(candidate.value.text)
        return any(
            shared <= words and (same_kind(text, candidate.value.kind) or states(text, candidate.value.text))
            for chunk_id, text, words in self._sentences
            if not (chunk_id == candidate.chunk.id and text == candidate.sentence)
        )


def finds(hits: Sequence[Hit], candidate: Candidate) -> bool:
    """Whether the candidate's chunk is among what was found."""
    return any(hit.chunk.id == candidate.chunk.id for hit in hits)


def answers(answer: Answer, candidate: Candidate, *, in_own_words: bool = False) -> bool:
    """Whether the reader gave the value, generated or quoted, and cites the candidate's sentence for it.

    A quote only shows that the question is close to the sentence. With `in_own_words` it is not enough, because what a
    small model asks is often close to the sentence, but asks for something else in it.
    """
    kinds = (AnswerKind.GENERATED,) if in_own_words else (AnswerKind.GENERATED, AnswerKind.QUOTED)
    if answer.kind not in kinds or not answer.supported:
        return False
    cited = any(
        citation.chunk_id == candidate.chunk.id and citation.start < candidate.end and candidate.start < citation.end
        for citation in answer.citations
    )
    return cited and contains_answer(answer.text, (candidate.value.text,))


def is_repeated(question: str, title: str, known: Iterable[str]) -> bool:
    """Whether the question is among the known ones, or is one of them with another title in it."""
    return gist(question, title) in known or normalise(question) in known


def gist(question: str, title: str) -> str:
    """Return the words of a question without those of the page's title, so that equal patterns are equal."""
    return " ".join(word for word in normalise(question).split() if word not in set(normalise(title).split()))


def _root(word: str) -> str:
    return re.sub(r"(?:ing|ed|es|s|e|ies|y)$", "", word) if len(word) > 4 else word
