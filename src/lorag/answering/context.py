"""What the model reads of the chunks that were found."""

import math
from collections import Counter
from collections.abc import Sequence

from lorag.answering.citations import spans_of
from lorag.answering.words import content_words
from lorag.knowledge.documents import Chunk

_RANK_COST = 0.3
"""What a rank costs a sentence, in the unit of the words' weights: enough to break near ties between chunks."""


def condense(question: str, chunks: Sequence[Chunk], most: int) -> list[str]:
    """Of each chunk its headings and those of its sentences that are among the `most` closest to the question.

    Closeness is the sum of inverse document frequencies of the words that a sentence shares with the question; list
    items and table rows count as sentences. Text order is kept; a chunk without a chosen sentence is left out.
    """
    spans = [(rank, start, end) for rank, chunk in enumerate(chunks) for start, end in spans_of(chunk.text)]
    words = [content_words(chunks[rank].text[start:end]) for rank, start, end in spans]
    frequency = Counter(word for sentence in words for word in sentence)
    asked = content_words(question)

    def closeness(at: int) -> float:
        shared = sum(math.log(1 + len(spans) / frequency[word]) for word in asked & words[at])
        return shared - _RANK_COST * spans[at][0]

    chosen = {spans[at] for at in sorted(range(len(spans)), key=closeness, reverse=True)[:most]}
    return [passage for rank, chunk in enumerate(chunks) if (passage := _shorten(chunk, rank, chosen))]


def _shorten(chunk: Chunk, rank: int, chosen: set[tuple[int, int, int]]) -> str:
    kept = [(start, end) for start, end in spans_of(chunk.text) if (rank, start, end) in chosen]
    if not kept:
        return ""
    # A line break between items and rows stays one; whatever was left out becomes a blank.
    text = chunk.text[kept[0][0] : kept[0][1]]
    for (_, before), (start, end) in zip(kept, kept[1:], strict=False):
        text += ("\n" if "\n" in chunk.text[before:start] else " ") + chunk.text[start:end]
    return f"{chunk.context}\n{text}" if chunk.context else text
