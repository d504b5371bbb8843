"""The size of a text for the embedder."""

import re
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CHARACTERS_PER_TOKEN = 16
"""At least one token is counted per 16 characters: an endless word may be one unknown token, and blanks none."""

SLAB_CHARACTERS = 50_000
BATCH = 2_048


class TokenCounter(Protocol):
    """The embedder's own tokenizer, without truncation or padding."""

    def count(self, text: str) -> int:
        """The number of tokens that the embedder reads for `text`, special tokens included."""

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return `count` of each text, computed together."""

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The character span (start, end) of each token in order, special tokens left out."""


class Ruler:
    """A ruler of texts: their size is the tokens without special ones, or a token per 16 characters if that is more."""

    def __init__(self, tokens: TokenCounter) -> None:
        self._tokens = tokens
        self._known: dict[str, int] = {}
        self.special_tokens = tokens.count("")

    def sizes(self, texts: Sequence[str]) -> list[int]:
        """The size of each text; a text seen before is not counted again."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        short = [text for text in new if len(text) <= SLAB_CHARACTERS]
        # Batches bound the memory: an encoding takes about a kilobyte however short its text is.
        for start in range(0, len(short), BATCH):
            batch = short[start : start + BATCH]
            for text, count in zip(batch, self._tokens.count_many(batch), strict=True):
                self._known[text] = at_least_by_length(count - self.special_tokens, len(text))
        for text in new:
            if len(text) > SLAB_CHARACTERS:
                self._known[text] = at_least_by_length(len(self.token_starts(text)), len(text))
        return [self._known[text] for text in texts]

    def size(self, text: str) -> int:
        """The size of one text."""
        return self.sizes([text])[0]

    def token_starts(self, text: str) -> NDArray[np.int64]:
        """Return where each token starts, ascending; a long text is read in slabs, so that memory stays bounded."""
        found = [np.zeros(0, dtype=np.int64)]
        for start, end in _slabs(text):
            spans = self._tokens.offsets(text[start:end])
            found.append(np.fromiter((span[0] for span in spans), dtype=np.int64, count=len(spans)) + start)
        return np.concatenate(found)


def at_least_by_length(tokens: int, characters: int) -> int:
    """Return `tokens`, or a token per 16 characters if that is more."""
    return max(tokens, -(-characters // CHARACTERS_PER_TOKEN))


def _slabs(text: str) -> list[tuple[int, int]]:
    spans, start = [], 0
    while start < len(text):
        end = min(start + SLAB_CHARACTERS, len(text))
        if end < len(text):
            last_blank = re.search(r"\s\S*\Z", text[end - 1_000 : end])
            end = end - 1_000 + last_blank.start() + 1 if last_blank else end
        spans.append((start, end))
        start = end
    return spans
