"""The choice of the sentences that answer a question best, without asking a model."""

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lorag.answering.citations import quotable_spans
from lorag.answering.words import content_words
from lorag.knowledge.documents import Chunk

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""A function from texts to unit vectors [n, dimension] float32."""

_NAMED = 3.0
"""The weight of a word that the question writes in backticks or like an identifier, where another word has 1."""

_HEADING, _BEFORE, _RANK = 0.5, 0.4, 0.05
"""The weights of words in the headings and in the sentence before, and the cost of a rank.

The weights of the cosine and of the words in the sentence itself are 1. They were set by hand on the tuning half of
benchmarks/answers.py.
"""

_NEARLY_AS_GOOD = 0.2
"""How much less than the best one a sentence may score to be quoted too, or to support an answer."""

_LEAST_TO_QUOTE = 0.7
"""The score below which no sentence answers the question: a question without any word in common has its cosine."""

_IDENTIFIER = re.compile(r"`([^`]+)`|\b(\w*[a-z\d][A-Z_]\w*)")


@dataclass(frozen=True, slots=True)
class ChosenSentence:
    """A sentence, list item, table row or block of code: the place `start:end` in the text of its chunk."""

    chunk: Chunk
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        """The sentence, letter by letter."""
        return self.chunk.text[self.start : self.end]


def rank_sentences(question: str, chunks: Sequence[Chunk], embed: EmbedTexts) -> list[ChosenSentence]:
    """Return all sentences of the chunks, which come best first; the sentence that fits the question best is first.

    The score of a sentence is its cosine to the question, plus the share of the question's words that it contains, each
    weighted by how rare it is among the sentences, less a little for the rank of its chunk. A word that only its
    headings or the sentence before contain counts in part.
    """
    places = [
        (rank, chunk, start, end) for rank, chunk in enumerate(chunks) for start, end in quotable_spans(chunk.text)
    ]
    if not places:
        return []
    texts = [chunk.text[start:end] for _, chunk, start, end in places]
    vectors = embed([question, *texts])
    cosines = vectors[1:] @ vectors[0]
    words = [content_words(text) for text in texts]
    weights = _weights(question, words)
    found = []
    for at, (rank, chunk, start, end) in enumerate(places):
        headings = content_words(chunk.context) - words[at]
        follows = at > 0 and places[at - 1][0] == rank
        before = words[at - 1] - words[at] - headings if follows else frozenset()
        parts = ((1.0, words[at]), (_HEADING, headings), (_BEFORE, before))
        shared = sum(part * sum(weights.get(word, 0.0) for word in sorted(own)) for part, own in parts)
        found.append(ChosenSentence(chunk, start, end, float(cosines[at]) + shared - _RANK * rank))
    return sorted(found, key=lambda sentence: -sentence.score)


def choose_quote(ranked: Sequence[ChosenSentence]) -> list[ChosenSentence]:
    """Return the best of the ranked sentences, with the second if it fits nearly as well; none if none fits.

    One that ends in a colon comes with what it announces: the next item, row, block or sentence of its chunk. The same
    words are not quoted twice. Two sentences of one chunk are in the order of its text.
    """
    if not ranked or ranked[0].score < _LEAST_TO_QUOTE:
        return []
    first = ranked[0]
    behind = [each for each in ranked if each.chunk.id == first.chunk.id and each.start >= first.end]
    if first.text.endswith(":") and behind:
        return [first, min(behind, key=lambda each: each.start)]
    best = [first, *(each for each in fitting(ranked)[1:] if each.text != first.text)][:2]
    return sorted(best, key=lambda each: each.start) if len({each.chunk.id for each in best}) == 1 else best


def fitting(ranked: Sequence[ChosenSentence]) -> list[ChosenSentence]:
    """Return the first of the ranked sentences, which fit the question about as well as the best one."""
    return [each for each in ranked if ranked[0].score - each.score <= _NEARLY_AS_GOOD]


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
