"""BM25 over the rows of one generation: the statistics are those of its rows, however it came to hold them.

An index is a list of segments. A segment never changes: a refresh adds a segment of its new rows, and names the rows of
older segments that are gone. Statistics are counted over the rows that are left, when a question is asked.
"""

import math
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import Filter, filter_pairs
from lorag.retrieval.terms import index_terms

WORD_INDEX_VERSION = 1
"""Raise it with every change to the terms of a text or to the form of a segment, so that segments are made again."""

K1, B = 1.2, 0.75
"""The usual constants of BM25 (Robertson and Zaragoza 2009)."""

_MOST_GONE = 0.5
# No term begins so. The documents and the metadata of the rows have postings of their own, which filters read.
_DOCUMENT, _VALUE = "\x00d", "\x00v"

Postings = tuple[NDArray[np.uint32], NDArray[np.uint32]]
"""The rows that have a term, ascending, and how often each has it; both of shape [n_rows_with_it]."""


class Segment(Protocol):
    """The words of some rows, numbered in the order of their chunk ids."""

    @property
    def ids(self) -> Sequence[str]:
        """The chunk ids, sorted."""

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """The number of words of each row, shape [n_rows]."""

    def postings(self, term: str) -> Postings:
        """Return the rows that have a term, ascending, and how often each has it; two empty arrays if none has."""

    def all_postings(self) -> Mapping[str, Postings]:
        """Return the postings of every term."""


@dataclass(frozen=True, slots=True)
class Part:
    """A segment and the numbers of its rows that the generation does not have, ascending."""

    segment: Segment
    gone: NDArray[np.uint32]

    @property
    def n_rows(self) -> int:
        """Return the number of rows that are left."""
        return len(self.segment.ids) - len(self.gone)

    @property
    def is_left(self) -> NDArray[np.bool_]:
        """Return whether each row is left, shape [n_rows of the segment]."""
        left = np.ones(len(self.segment.ids), np.bool_)
        left[self.gone] = False
        return left


@dataclass(frozen=True, slots=True)
class RowWords:
    """A segment in memory."""

    ids: Sequence[str]
    lengths: NDArray[np.uint32]
    terms: Mapping[str, Postings]

    def postings(self, term: str) -> Postings:
        """See `Segment`."""
        return self.terms.get(term, _NONE)

    def all_postings(self) -> Mapping[str, Postings]:
        """See `Segment`."""
        return self.terms


_NONE = (np.empty(0, np.uint32), np.empty(0, np.uint32))


def read_words(chunks: Sequence[Chunk]) -> RowWords:
    """Return the segment of these chunks, whose ids are distinct."""
    ordered = sorted(chunks, key=lambda chunk: chunk.id)
    found: dict[str, tuple[array[int], array[int]]] = defaultdict(lambda: (array("I"), array("I")))
    lengths = np.zeros(len(ordered), np.uint32)
    for number, chunk in enumerate(ordered):
        terms, lengths[number] = index_terms(chunk.embedded_text)
        for term, count in [*Counter(terms).items(), *((key, 1) for key in _keys_of(chunk))]:
            rows, counts = found[term]
            rows.append(number)
            counts.append(count)
    postings = {
        term: (np.frombuffer(rows, np.uint32), np.frombuffer(counts, np.uint32))
        for term, (rows, counts) in found.items()
    }
    return RowWords([chunk.id for chunk in ordered], lengths, postings)


def without_rows(parts: Sequence[Part], ids: Collection[str]) -> list[Part]:
    """Return the parts without these chunks; a part that has no row left is left out."""
    wanted = set(ids)
    kept = []
    for part in parts:
        numbers = [number for number, chunk_id in enumerate(part.segment.ids) if chunk_id in wanted]
        gone = np.union1d(part.gone, np.array(numbers, np.uint32)).astype(np.uint32) if numbers else part.gone
        if len(gone) < len(part.segment.ids):
            kept.append(Part(part.segment, gone))
    return kept


def merge_small(parts: Sequence[Part]) -> list[Part]:
    """Return parts of which each is more than twice as large as the next, and mostly left; so they stay few.

    Rows are merged with rows of about as many others, so each is copied a few times, however many refreshes there are.
    """
    merged: list[Part] = []
    for part in sorted(parts, key=lambda part: part.n_rows, reverse=True):
        current = part
        while merged and merged[-1].n_rows <= 2 * current.n_rows:
            current = Part(_merge([merged.pop(), current]), _NONE[0])
        if len(current.gone) > _MOST_GONE * len(current.segment.ids):
            current = Part(_merge([current]), _NONE[0])
        merged.append(current)
    return merged


def left_ids(part: Part) -> list[str]:
    """Return the chunk ids of the rows that are left, sorted."""
    return [chunk_id for chunk_id, left in zip(part.segment.ids, part.is_left.tolist(), strict=True) if left]


def _merge(parts: Sequence[Part]) -> RowWords:
    ids = sorted(chunk_id for part in parts for chunk_id in left_ids(part))
    places = {chunk_id: number for number, chunk_id in enumerate(ids)}
    lengths = np.zeros(len(ids), np.uint32)
    found: dict[str, list[Postings]] = {}
    for part in parts:
        left = part.is_left
        new = np.array([places.get(chunk_id, 0) for chunk_id in part.segment.ids], np.uint32)
        lengths[new[left]] = part.segment.lengths[left]
        for term, (rows, counts) in part.segment.all_postings().items():
            there = left[rows]
            if there.any():
                found.setdefault(term, []).append((new[rows[there]], counts[there]))
    return RowWords(ids, lengths, {term: _ascending(some) for term, some in found.items()})


def _ascending(some: Sequence[Postings]) -> Postings:
    if len(some) == 1:
        return some[0]
    rows, counts = (np.concatenate(arrays) for arrays in zip(*some, strict=True))
    order = np.argsort(rows)
    return rows[order], counts[order]


def rank_rows(parts: Sequence[Part], terms: Sequence[str], k: int, where: Filter) -> list[tuple[str, float]]:
    """Return chunk id and BM25 score of the `k` best rows that have any of the terms, best first, then by id.

    A filter decides which rows are returned, and changes no score.
    """
    n_rows = sum(part.n_rows for part in parts)
    left = [part.is_left for part in parts]
    total = sum(int(part.segment.lengths[there].sum()) for part, there in zip(parts, left, strict=True))
    scores = [np.zeros(len(part.segment.ids)) for part in parts]
    for term in terms:
        found = []
        for part, there in zip(parts, left, strict=True):
            rows, counts = part.segment.postings(term)
            kept = there[rows]
            found.append((rows[kept], counts[kept].astype(np.float64)))
        n_with = sum(len(rows) for rows, _ in found)
        weight = math.log(1 + (n_rows - n_with + 0.5) / (n_with + 0.5))
        for part, (rows, often), score in zip(parts, found, scores, strict=True):
            norm = K1 * (1 - B + B * part.segment.lengths[rows] * n_rows / max(1, total))
            score[rows] += weight * often * (K1 + 1) / (often + norm)
    best: list[tuple[str, float]] = []
    for part, score in zip(parts, scores, strict=True):
        _keep_matching(part, score, where)
        best += _best(part, score, k)
    return sorted(best, key=lambda one: (-one[1], one[0]))[:k]


def _keep_matching(part: Part, score: NDArray[np.float64], where: Filter) -> None:
    """Set the scores of rows that the filter leaves out to 0."""
    wanted = [[_value_key(key, value)] for key, value in where.metadata]
    if where.document_ids:
        wanted.append([_DOCUMENT + document_id for document_id in where.document_ids])
    for keys in wanted:
        matching = np.zeros(len(score), np.bool_)
        for key in keys:
            matching[part.segment.postings(key)[0]] = True
        score[~matching] = 0


def _best(part: Part, score: NDArray[np.float64], k: int) -> list[tuple[str, float]]:
    """Return the `k` best rows, and all that are equal to the last of them."""
    rows = np.flatnonzero(score)
    if 0 < k < len(rows):
        least = np.partition(score[rows], len(rows) - k)[len(rows) - k]
        rows = rows[score[rows] >= least]
    return [(part.segment.ids[row], float(score[row])) for row in rows.tolist()]


def _keys_of(chunk: Chunk) -> list[str]:
    return [_DOCUMENT + chunk.document_id, *(_value_key(key, value) for key, value in filter_pairs(chunk.metadata))]


def _value_key(key: str, value: str) -> str:
    return f"{_VALUE}{len(key)}:{key}{value}"
