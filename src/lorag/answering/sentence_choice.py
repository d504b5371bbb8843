"""The choice of the sentences that answer a question best, without asking a model."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lorag.answering.citations import quotable_spans
from lorag.answering.identifiers import is_about_other, is_heading, named_in, states_name
from lorag.answering.steps import asks_how, is_code, steps_near
from lorag.answering.words import content_words, shared_stems
from lorag.knowledge.documents import Chunk

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""A function from texts to unit vectors [n, dimension] float32."""

_NAMED = 2.0
"""The weight of a word that the question writes in backticks or like an identifier, where another word has 1."""

_HEADING, _BEFORE, _RANK = 0.5, 0.4, 0.05
"""The weights of words in the headings and in the sentence before, and the cost of a rank.

The weights of the cosine and of the words in the sentence itself are 1. They were set by hand on the tuning half of
benchmarks/answers.py.
"""

_CODE = 0.2
"""The cost of code for a question that does not ask how to do something: the prose explains what it shows."""

_FIELD = 0.7
"""The gain of a value of the front matter, which has few words, where the question has a word of its name."""

_OTHER = 0.5
"""The cost of a sentence below a heading that is another identifier than the one that the question names."""

_NEARLY_AS_GOOD = 0.2
"""How much less than the best one a sentence may score to be quoted too, or to support an answer."""

_LEAST_TO_QUOTE = 0.7
"""The score below which no sentence answers the question: a question without any word in common has its cosine."""

_LONGEST_FIELD = 200
"""A longer value of a front matter is a text of its own and no answer."""

_TECHNICAL = frozenset(
    "aliases draft hide_title id layout menu order permalink sidebar_label sidebar_position slug template toc type url "
    "weight".split()
)
"""Names in a front matter that tell a site generator what to do, and a reader nothing."""

_IDENTIFIER = re.compile(r"`([^`]+)`|\b(\w*[a-z\d][A-Z_]\w*)")


@dataclass(frozen=True, slots=True)
class ChosenSentence:
    """A sentence, list item, table row or block of code: the place `start:end` in the text of its chunk.

    With `field`, it is that place in the value which the page's front matter has under this name.
    """

    chunk: Chunk
    start: int
    end: int
    score: float
    field: str | None = None

    @property
    def text(self) -> str:
        """The sentence, letter by letter; a value of the front matter stands behind its name."""
        if self.field is not None:
            return f"{self.field}: {self.chunk.metadata[self.field][self.start : self.end]}"
        return self.chunk.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class _Place:
    rank: int
    sentence: ChosenSentence

    @property
    def heading(self) -> str:
        return self.sentence.chunk.context


def rank_sentences(question: str, chunks: Sequence[Chunk], embed: EmbedTexts) -> list[ChosenSentence]:
    """Return all sentences of the chunks, which come best first; the sentence that fits the question best is first.

    The score of a sentence is its cosine to the question, plus the share of the question's words that it contains, each
    weighted by how rare it is among the sentences, less a little for the rank of its chunk. A word that only its
    headings or the sentence before contain counts in part. If the question names identifiers, a sentence that has one
    of them neither in itself nor in its headings, as a whole, is left out. A value of a page's front matter counts as a
    sentence if the question has a word of its name.
    """
    places = [*_sentences(chunks), *_fields(question, chunks)]
    if not places:
        return []
    texts = [place.sentence.text for place in places]
    vectors = embed([question, *texts])
    cosines = vectors[1:] @ vectors[0]
    words = [_words_of(place.sentence, question) for place in places]
    weights = _weights(question, words)
    code = 0.0 if asks_how(question) else _CODE
    named = named_in(question)
    found = []
    for at, place in enumerate(places):
        if not all(states_name(f"{place.heading}\n{texts[at]}", name) for name in named):
            continue
        named_above = [name for name in named if is_heading(place.heading, name)]
        own = words[at] | content_words(" ".join(named_above))
        headings = content_words(place.heading) - own
        follows = at > 0 and places[at - 1].sentence.chunk.id == place.sentence.chunk.id and not place.sentence.field
        before = words[at - 1] - own - headings if follows else frozenset()
        parts = ((1.0, own), (_HEADING, headings), (_BEFORE, before))
        shared = sum(part * sum(weights.get(word, 0.0) for word in sorted(some)) for part, some in parts)
        score = float(cosines[at]) + shared - _RANK * place.rank
        score += _FIELD if place.sentence.field else -code * is_code(texts[at])
        score -= _OTHER * (bool(named) and is_about_other(place.heading, named))
        found.append(_scored(place.sentence, score))
    return sorted(found, key=lambda sentence: -sentence.score)


def choose_quote(question: str, ranked: Sequence[ChosenSentence]) -> list[ChosenSentence]:
    """Return the best of the ranked sentences, with the second if it fits nearly as well; none if none fits.

    If the question asks how to do something, all steps of the instruction around the best one, or next to it in its
    chunk, are quoted as one. Another one that ends in a colon comes with what it announces: the next item, row, block
    or sentence of its chunk. The same words are not quoted twice. Two sentences of one chunk are in the order of its
    text.
    """
    if not ranked or ranked[0].score < _LEAST_TO_QUOTE:
        return []
    first = ranked[0]
    if asks_how(question) and not first.field and (steps := steps_near(first.chunk.text, first.start, first.end)):
        return [ChosenSentence(first.chunk, *steps, first.score)]
    behind = [each for each in ranked if each.chunk.id == first.chunk.id and each.start >= first.end and not each.field]
    if first.text.endswith(":") and behind:
        return [first, min(behind, key=lambda each: each.start)]
    best = [first, *(each for each in fitting(ranked)[1:] if each.text.split() != first.text.split())][:2]
    in_order = len({each.chunk.id for each in best}) == 1 and not any(each.field for each in best)
    return sorted(best, key=lambda each: each.start) if in_order else best


def fitting(ranked: Sequence[ChosenSentence]) -> list[ChosenSentence]:
    """Return the first of the ranked sentences, which fit the question about as well as the best one."""
    return [each for each in ranked if ranked[0].score - each.score <= _NEARLY_AS_GOOD]


def _sentences(chunks: Sequence[Chunk]) -> list[_Place]:
    return [
        _Place(rank, ChosenSentence(chunk, start, end, 0.0))
        for rank, chunk in enumerate(chunks)
        for start, end in quotable_spans(chunk.text)
    ]


def _fields(question: str, chunks: Sequence[Chunk]) -> list[_Place]:
    """Return the values of each page's front matter that the question may be about, once for its best chunk."""
    first = {chunk.document_id: (rank, chunk) for rank, chunk in reversed([*enumerate(chunks)])}
    fields = [
        _Place(rank, ChosenSentence(chunk, 0, len(value), 0.0, name))
        for rank, chunk in first.values()
        for name, value in sorted(chunk.metadata.items())
        if len(value) <= _LONGEST_FIELD and name.casefold() not in _TECHNICAL
    ]
    return [place for place in fields if _named_by(place.sentence, question)]


def _words_of(sentence: ChosenSentence, question: str) -> frozenset[str]:
    """Return the words of a sentence; the name of a field counts as the word of the question that it is a form of."""
    return content_words(sentence.text) | _named_by(sentence, question)


def _named_by(sentence: ChosenSentence, question: str) -> frozenset[str]:
    return shared_stems(sentence.field.replace("_", " "), question) if sentence.field else frozenset()


def _scored(sentence: ChosenSentence, score: float) -> ChosenSentence:
    return ChosenSentence(sentence.chunk, sentence.start, sentence.end, score, sentence.field)


def _weights(question: str, sentences: Sequence[frozenset[str]]) -> dict[str, float]:
    """Return a weight for each content word of the question; all together are 1."""
    frequency = Counter(word for words in sentences for word in words)
    named = content_words(" ".join(quoted or written for quoted, written in _IDENTIFIER.findall(question)))
    raw = {
        word: math.log(1 + len(sentences) / max(frequency[word], 1)) * (_NAMED if word in named else 1.0)
        for word in sorted(content_words(question))
    }
    total = sum(raw.values())
    return {word: weight / total for word, weight in raw.items()}
