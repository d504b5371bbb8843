"""The pieces that chunks are made of, and how a text that is too large for one chunk is cut into them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lorag.knowledge.chunking.separators import Separator, word_starts
from lorag.knowledge.chunking.tokens import CHARACTERS_PER_TOKEN, Ruler


class Rank(IntEnum):
    """The fitness of an atom as the start of a chunk: a run is cut first at its highest rank."""

    WORD = 0
    SENTENCE = 1
    GLUED = 2
    ITEM = 3
    ATTACHED = 4
    BLOCK = 5
    TOPIC = 6


@dataclass(frozen=True, slots=True)
class Atom:
    """A text that stays in one piece, its size, and its rank as the start of a chunk.

    `gap` is put before the text unless it starts a chunk. `lead`, the header row of a table, is put before it if it
    does. Among atoms of equal rank, `surroundings` decides first, before any word does.
    """

    text: str
    size: int
    rank: Rank
    gap: str = ""
    surroundings: str = ""
    lead: str = ""
    lead_size: int = 0


def join_atoms(atoms: Sequence[Atom]) -> str:
    """Return the text of a chunk made of these atoms."""
    first, *others = atoms
    return "".join([first.lead, first.text, *(atom.gap + atom.text for atom in others)]).strip("\n").rstrip()


def refine(
    text: str, separators: Sequence[Separator], budget: int, ruler: Ruler, *, rank: Rank, gap: str = ""
) -> list[Atom]:
    """Cut `text` by the first separator, pieces above `budget` by the next ones, then by words, then anywhere.

    The first atom gets `rank`. The others get ITEM if the first separator that applies made them, else SENTENCE or
    WORD.
    """
    measured = _Measured(text, ruler.token_starts(text))
    pieces = list(_spans(0, len(text), Rank.ITEM, Rank.ITEM, separators[0](text)))
    for separator in separators[1:]:
        inner = Rank.ITEM if len(pieces) == 1 else Rank.SENTENCE
        pieces = measured.split_large(pieces, separator, budget, inner)
    pieces = measured.split_large(pieces, word_starts, budget, Rank.WORD)
    pieces = measured.split_words(pieces, budget)
    sizes = measured.sizes(pieces)
    return [
        Atom(text[start:end], size, own if index else rank, "" if index else gap)
        for index, ((start, end, own), size) in enumerate(zip(pieces, sizes, strict=True))
    ]


_Piece = tuple[int, int, Rank]


@dataclass(frozen=True, slots=True)
class _Measured:
    """A text with the start of each of its tokens, so that any span of it is measured without a new count."""

    text: str
    token_starts: NDArray[np.int64]

    def sizes(self, pieces: Sequence[_Piece]) -> list[int]:
        low = np.array([piece[0] for piece in pieces], dtype=np.int64)
        high = np.array([piece[1] for piece in pieces], dtype=np.int64)
        tokens = np.searchsorted(self.token_starts, high) - np.searchsorted(self.token_starts, low)
        sizes: list[int] = np.maximum(tokens, -(-(high - low) // CHARACTERS_PER_TOKEN)).tolist()
        return sizes

    def split_large(self, pieces: Sequence[_Piece], separator: Separator, budget: int, inner: Rank) -> list[_Piece]:
        result: list[_Piece] = []
        for (low, high, rank), size in zip(pieces, self.sizes(pieces), strict=True):
            starts = separator(self.text[low:high]) if size > budget else ()
            result += _spans(low, high, rank, inner, (low + start for start in starts))
        return result

    def split_words(self, pieces: Sequence[_Piece], budget: int) -> list[_Piece]:
        """Cut words larger than the budget at their tokens, or by length where one token is too long."""
        result: list[_Piece] = []
        for (low, high, rank), size in zip(pieces, self.sizes(pieces), strict=True):
            cuts: set[int] = set()
            if size > budget:
                first, last = np.searchsorted(self.token_starts, [low, high]).tolist()
                cuts = {
                    *self.token_starts[first:last:budget].tolist(),
                    *range(low, high, budget * CHARACTERS_PER_TOKEN),
                }
            result += _spans(low, high, rank, Rank.WORD, sorted(cuts))
        return result


def _spans(low: int, high: int, rank: Rank, inner: Rank, cuts: Iterable[int]) -> list[_Piece]:
    bounds = [low, *(cut for cut in cuts if low < cut < high), high]
    return [(start, end, inner if index else rank) for index, (start, end) in enumerate(zip(bounds, bounds[1:]))]  # noqa: B905
