"""The order of search results: fused, diversified, and capped for each document."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from lorag.retrieval.index.store import Hit


def fuse_reciprocal_ranks(rankings: Sequence[Sequence[str]], k: int) -> list[tuple[str, float]]:
    """Return ids with their sum of 1 / (k + rank) over the rankings, best first, ties by id.

    Cormack, Clarke and Buettcher, SIGIR 2009; ranks start at 1.
    """
    scores: dict[str, float] = defaultdict(float)
    for ranking in rankings:
        for rank, chunk_id in enumerate(ranking, start=1):
            scores[chunk_id] += 1.0 / (k + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def fuse_hits(rankings: Sequence[Sequence[Hit]], k: int) -> list[Hit]:
    """Return the hits of all rankings in the order of their fused score."""
    chunks = {hit.chunk.id: hit.chunk for ranking in rankings for hit in ranking}
    fused = fuse_reciprocal_ranks([[hit.chunk.id for hit in ranking] for ranking in rankings], k)
    return [Hit(chunks[chunk_id], score) for chunk_id, score in fused]


def cap_per_document(hits: Iterable[Hit], most: int) -> list[Hit]:
    """Return the hits in order, at most `most` from one document, so that no source crowds out the others."""
    seen: dict[str, int] = defaultdict(int)
    kept = []
    for hit in hits:
        seen[hit.chunk.document_id] += 1
        if seen[hit.chunk.document_id] <= most:
            kept.append(hit)
    return kept


def scale_relevance(hits: Sequence[Hit]) -> NDArray[np.float64]:
    """Scale the scores of hits that come best first, from 1 for the best to 0 for the worst [n_hits].

    If only a part of the hits was reranked, the scores of the others are of another kind: they count as no better than
    the worst hit before them.
    """
    scores = np.minimum.accumulate(np.array([hit.score for hit in hits], dtype=np.float64))
    span = np.ptp(scores) if hits else 0.0
    return (scores - scores[-1]) / span if span else np.ones(len(hits))


def select_diverse(
    relevance: NDArray[np.floating], vectors: NDArray[np.float32], n: int, relevance_weight: float
) -> list[int]:
    """Return indices of up to `n` candidates by maximal marginal relevance, in the order of choice, ties by index.

    `relevance` [n_candidates] is on the scale of a cosine, `vectors` [n_candidates, dimension] have unit length; a
    weight of 1 is relevance alone, 0 difference alone. Carbonell and Goldstein, SIGIR 1998.
    """
    between = vectors @ vectors.T
    closest = np.full(len(vectors), -np.inf, dtype=np.float32)
    chosen: list[int] = []
    while len(chosen) < min(n, len(vectors)):
        penalty = np.where(np.isneginf(closest), 0.0, closest)
        value = relevance_weight * relevance - (1 - relevance_weight) * penalty
        value[chosen] = -np.inf
        best = int(np.argmax(value))
        chosen.append(best)
        closest = np.maximum(closest, between[best])
    return chosen
