"""The part of the found chunks that the model reads."""

import math
from collections import Counter
from collections.abc import Sequence

from lorag.answering.citations import spans_of
from lorag.answering.passages import Passage
from lorag.answering.words import content_words
from lorag.knowledge.documents import Chunk

_RANK_COST = 0.3
"""The penalty of a sentence for each rank, in the unit of word weights: enough to break near ties between chunks."""


def condense(question: str, chunks: Sequence[Chunk], most: int) -> list[Passage]:
    """Return each chunk's headings and those of its sentences that are among the `most` closest to the question.

    Closeness is the sum of inverse document frequencies of the words that a sentence shares with the question, less a
    small penalty for the rank of its chunk; list items and table rows count as sentences. Text order is kept; a chunk
    without a chosen sentence is left out.
    """
    spans = [(rank, start, end) for rank, chunk in enumerate(chunks) for start, end in spans_of(chunk.text)]
    words = [content_words(chunks[rank].text[start:end]) for rank, start, end in spans]
    frequency = Counter(word for sentence in words for word in sentence)
    asked = content_words(question)

    def closeness(at: int) -> float:
        shared = sum(math.log(1 + len(spans) / frequency[word]) for word in asked & words[at])
        return shared - _RANK_COST * spans[at][0]

    kept: dict[int, list[tuple[int, int]]] = {}
    for at in sorted(sorted(range(len(spans)), key=closeness, reverse=True)[:most]):
        rank, start, end = spans[at]
        kept.setdefault(rank, []).append((start, end))
    return [Passage(chunks[rank], tuple(places)) for rank, places in kept.items()]
