"""Which texts are nearly the same, by their sketches."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from lorag.knowledge.sketches import BINS, KEYS

NEIGHBOURS = 8
"""With how many texts that share a key a text is compared on either side, so that many alike cost no square."""

_TENTHS = 9
_BATCH = 16_384


def count_near_duplicates(sketches: Sequence[bytes]) -> list[int]:
    """Return for each text how many others have an estimated Jaccard similarity of at least 0.9 with it.

    Texts without words are like no other. Of more than NEIGHBOURS texts that share a key, each is compared with those
    that stand nearest to it in the given order, so that in a large group the number is a lower bound.
    """
    known = np.flatnonzero([len(sketch) > 0 for sketch in sketches])
    table = np.frombuffer(b"".join(sketches), "<u2").reshape(len(known), KEYS + BINS)
    pairs = _sharing_a_key(table[:, :KEYS])
    near = [batch[_are_near(table[batch[:, 0], KEYS:], table[batch[:, 1], KEYS:])] for batch in _batches(pairs)]
    counts: list[int] = np.bincount(known[np.concatenate([*near, pairs[:0]])].ravel(), minlength=len(sketches)).tolist()
    return counts


def _sharing_a_key(keys: NDArray[np.uint16]) -> NDArray[np.int64]:
    """Return the pairs of rows, [n_pairs, 2], that have an equal value in any column and are near in the order."""
    n = len(keys)
    found = [np.empty(0, np.int64)]
    for column in keys.T:
        order = np.argsort(column, kind="stable")
        ordered = column[order]
        for step in range(1, min(NEIGHBOURS, n - 1) + 1):
            at = np.flatnonzero(ordered[step:] == ordered[:-step])
            if not len(at):
                break
            found.append(order[at] * n + order[at + step])
    return np.stack(np.divmod(np.unique(np.concatenate(found)), max(n, 1)), axis=1)


def _are_near(left: NDArray[np.uint16], right: NDArray[np.uint16]) -> NDArray[np.bool_]:
    filled = ((left | right) != 0).sum(axis=1)
    same = ((left == right) & (left != 0)).sum(axis=1)
    near: NDArray[np.bool_] = 10 * same >= _TENTHS * filled
    return near


def _batches(pairs: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(pairs), _BATCH):
        yield pairs[start : start + _BATCH]
