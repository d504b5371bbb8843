"""The places where a run of atoms is cut. They depend on the content at the place, not on earlier cuts.

A run that fits is one chunk. A run that does not fit is cut at its best place, and then each side is cut again. How
good a place is depends on its rank; among equal ranks on the kinds of the blocks around it, then on the largest word
hash of the atom after it. So an edit moves a cut only if it changes the word that decides, or if it takes a run across
the size limit. It does not move all later cuts, as it would if chunks were filled one after the other.
"""

import functools
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lorag.knowledge.chunking.atoms import Atom

_RANK_SHIFT, _SURROUNDINGS_SHIFT, _HASH_BITS = 60, 48, 24

_TIERS = np.array([0, 1, 2, 3, 4, 4, 4], dtype=np.int64)
"""The tier of each rank; a better tier is worth a chunk below the minimum, a better rank within a tier is not."""


def cut(atoms: Sequence[Atom], budget: int, min_tokens: int) -> list[Sequence[Atom]]:
    """Return the atoms as runs in order, each of at most `budget` unless it is a single atom.

    Runs below `min_tokens` are avoided where the ranks of the places allow it.
    """
    if sum(atom.size for atom in atoms) + atoms[0].lead_size <= budget:
        return [atoms]
    before = np.concatenate([[0], np.cumsum([atom.size for atom in atoms])])
    keys = _keys(atoms)
    guard = min(min_tokens, budget // 2)
    runs: list[Sequence[Atom]] = []
    waiting = [(0, len(atoms))]
    while waiting:
        low, high = waiting.pop()
        if high - low == 1 or before[high] - before[low] + atoms[low].lead_size <= budget:
            runs.append(atoms[low:high])
            continue
        place = _best_place(before, keys, low, high, guard)
        waiting += [(place, high), (low, place)]
    return runs


def _best_place(before: NDArray[np.int64], keys: NDArray[np.int64], low: int, high: int, guard: int) -> int:
    anywhere = _middle_of_best(keys, low + 1, high)
    first = max(low + 1, int(np.searchsorted(before, before[low] + guard)))
    last = min(high - 1, int(np.searchsorted(before, before[high] - guard, side="right")) - 1)
    if first > last:
        return anywhere
    guarded = _middle_of_best(keys, first, last + 1)
    return guarded if _tier(keys[guarded]) == _tier(keys[anywhere]) else anywhere


def _middle_of_best(keys: NDArray[np.int64], low: int, high: int) -> int:
    inside = keys[low:high]
    best = np.flatnonzero(inside == inside.max())
    return low + int(best[len(best) // 2])


def _tier(key: np.int64) -> int:
    return int(_TIERS[int(key) >> _RANK_SHIFT])


def _keys(atoms: Sequence[Atom]) -> NDArray[np.int64]:
    """Return the key of each place: rank, then hashes of the surroundings, of the words after, of the words before."""
    ranks = np.array([atom.rank for atom in atoms], dtype=np.int64)
    surroundings = np.array([_hash(atom.surroundings, _RANK_SHIFT - _SURROUNDINGS_SHIFT) for atom in atoms])
    words = np.array([_largest_word_hash(atom.text) for atom in atoms], dtype=np.int64)
    words_before = np.concatenate([[0], words[:-1]])
    keys: NDArray[np.int64] = ranks << _RANK_SHIFT
    keys |= (surroundings << _SURROUNDINGS_SHIFT) | (words << _HASH_BITS) | words_before
    return keys


def _largest_word_hash(text: str) -> int:
    return max((_hash(word, _HASH_BITS) for word in text.split()), default=0)


@functools.lru_cache(maxsize=1 << 16)
def _hash(text: str, bits: int) -> int:
    return zlib.crc32(text.encode("utf-8", "surrogatepass")) >> (32 - bits)
