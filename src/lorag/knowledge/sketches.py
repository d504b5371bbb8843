"""A sketch of a text, small and of a fixed size, from which the likeness of two texts is estimated."""

import re
import struct
from bisect import bisect_left
from collections.abc import Iterator
from itertools import islice
from zlib import crc32

from lorag.knowledge.normalise import SPACELESS

SKETCH_VERSION = 1
"""Raise it with every change that gives the same text another sketch."""

KEYS = 16
"""How many keys begin a sketch: texts that are nearly the same have at least one key in common."""

BINS = 256
"""How many bins follow; a bin is 0 if nothing of the text falls into it."""

_SHINGLE = 5
_RUN = 8
_WORD = re.compile(rf"[{SPACELESS}]|[^\W_{SPACELESS}]+")
_MIX = 0x9E3779B1  # odd, so that two checksums never become one
_EMPTY = 1 << 32


def sketch_text(text: str) -> bytes:
    """Return the sketch of a text: KEYS and BINS numbers of two bytes, little-endian; empty if it has no words.

    The text is seen as the set of its runs of five words (of all its words if it has fewer), whatever their case. In
    scripts without blanks between words each character counts as one. One-permutation MinHash (Li, Owen and Zhang
    2012): a bin holds the smallest hash that falls into it, so the share of equal bins among those that are filled in
    either sketch estimates the Jaccard similarity of the two sets. A key is a checksum of eight filled bins in a row,
    so a difference elsewhere leaves it as it is.
    """
    smallest = [_EMPTY] * BINS
    for shingle in shingles(text):
        value = crc32(shingle) * _MIX & 0xFFFFFFFF
        if value < smallest[value % BINS]:
            smallest[value % BINS] = value
    filled = [at for at, value in enumerate(smallest) if value != _EMPTY]
    if not filled:
        return b""
    bins = [0 if value == _EMPTY else value // BINS % 0xFFFF + 1 for value in smallest]
    return _pack(_keys(filled, bins)) + _pack(bins)


def shingles(text: str) -> Iterator[bytes]:
    """Yield each run of five words; all words, if there are fewer; nothing, if there are none."""
    words = "\n".join(_WORD.findall(text.casefold())).encode().split()
    runs = zip(*(islice(words, start, None) for start in range(_SHINGLE)), strict=False)
    yield from map(b" ".join, runs if len(words) > _SHINGLE else [words] if words else [])


def _keys(filled: list[int], bins: list[int]) -> list[int]:
    """Return a checksum of the next filled bins behind each of KEYS places, which lie evenly on the circle of bins."""
    circle = _pack([bins[at] for at in filled]) * 2
    starts = (2 * bisect_left(filled, place) for place in range(0, BINS, BINS // KEYS))
    length = 2 * min(_RUN, len(filled))
    return [crc32(circle[start : start + length]) & 0xFFFF for start in starts]


def _pack(values: list[int]) -> bytes:
    return struct.pack(f"<{len(values)}H", *values)
