"""Fusion, diversity and the cap for each document."""

import numpy as np

from lorag.knowledge.documents import Chunk
from lorag.retrieval.fuse import cap_per_document, fuse_hits, fuse_reciprocal_ranks, select_diverse
from lorag.retrieval.index.store import Hit


def hit(chunk_id: str, score: float = 1.0, document: str = "d") -> Hit:
    return Hit(Chunk(chunk_id, document, "", chunk_id), score)


def test_reciprocal_ranks_add_up() -> None:
    fused = dict(fuse_reciprocal_ranks([["a", "b"], ["b", "c"]], k=60))
    assert fused == {"a": 1 / 61, "b": 1 / 62 + 1 / 61, "c": 1 / 62}


def test_the_best_of_both_lists_comes_first_and_ties_are_in_order_of_id() -> None:
    ids = [h.chunk.id for h in fuse_hits([[hit("a"), hit("b")], [hit("b"), hit("a")], [hit("c")]], k=60)]
    assert ids == ["a", "b", "c"]


def test_one_document_cannot_crowd_out_the_others() -> None:
    # Row 34: five near-identical poisoned pages may rank first, their chunks may not fill the answer's context.
    hits = [hit(f"p{n}", document="poison") for n in range(5)] + [hit("good", document="other")]
    assert [h.chunk.id for h in cap_per_document(hits, 2)] == ["p0", "p1", "good"]


def test_diversity_prefers_the_unlike_among_the_relevant() -> None:
    vectors = np.array([[1, 0], [0.999, 0.0447], [0.6, 0.8]], dtype=np.float32)
    query = np.array([1, 0], dtype=np.float32)
    assert select_diverse(vectors @ query, vectors, 2, relevance_weight=0.4) == [0, 2]
    assert select_diverse(vectors @ query, vectors, 2, relevance_weight=1.0) == [0, 1]
    assert select_diverse(vectors @ query, vectors, 9, relevance_weight=0.4)[:2] == [0, 2]
