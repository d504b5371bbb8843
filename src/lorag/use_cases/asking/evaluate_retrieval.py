"""The evaluation of each retriever on questions with known documents, with the same code as in serving."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lorag.evaluation.retrieval import measure_retrieval, rank_documents
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.params import IndexParams, RetrieverKind, SearchParams
from lorag.questions.questions import GoldenQuestion
from lorag.retrieval.index.store import Filter, Hit, IndexRef, IndexRow, IndexStore
from lorag.retrieval.rerank import Reranker
from lorag.retrieval.search import Searcher

QUESTION_CHUNKS = 100
"""The number of chunks searched for a question: enough that ten documents are nearly always among them."""

Advance = Callable[[int], None]
"""A function that is called with the number of questions done since the last call."""

RetrievalMetrics = dict[str, dict[str, float] | None]
"""The metrics by retriever: dense, bm25, fused, reranked; None if no reranker is configured."""

Rankings = Mapping[str, Sequence[str]]
"""The document ids that were found for a question, best first, by the question's id."""


def measure_rankings(
    questions: Sequence[GoldenQuestion], rankings: Mapping[str, Rankings | None], cutoffs: Sequence[int]
) -> RetrievalMetrics:
    """Return the metrics of each retriever."""
    return {
        kind: None if found is None else measure_retrieval(questions, found, cutoffs)
        for kind, found in rankings.items()
    }


def rank_with_each(
    rows: Sequence[IndexRow],
    questions: Sequence[GoldenQuestion],
    question_vectors: NDArray[np.float32],
    *,
    index: IndexParams,
    search: SearchParams,
    reranker: Reranker | None = None,
    advance: Advance = lambda _: None,
) -> dict[str, Rankings | None]:
    """Index `rows` in a temporary store, ask it every question with every retriever, and return what each one found.

    `question_vectors` [n_questions, dimension] float32 belong to `questions` by position. Without a reranker,
    `reranked` is None.
    """
    with tempfile.TemporaryDirectory(prefix="lorag-") as folder:
        store = _RepeatedSearches(Path(folder), index.ann_from_rows)
        ref = store.write_generation(None, "evaluation", 1, rows, ())
        variants = _variants(search, reranker)
        rankings: dict[str, dict[str, list[str]]] = {kind: {} for kind in variants}
        try:
            for at in range(len(questions)):
                one = slice(at, at + 1)
                for kind, (params, uses) in variants.items():
                    if params is not None:
                        asked, vector = questions[one], question_vectors[one]
                        found = search_questions(store, ref, asked, vector, params, uses, advance)
                        rankings[kind].update(rank_questions(found))
        finally:
            store.close()
    return {kind: rankings[kind] if params is not None else None for kind, (params, _) in variants.items()}


def widen(search: SearchParams) -> SearchParams:
    """Return settings that measure whole rankings: nothing is capped or diversified."""
    wide = {"top_k": QUESTION_CHUNKS, "max_per_document": QUESTION_CHUNKS, "mmr_lambda": None}
    return search.model_copy(update={**wide, "candidates": max(search.candidates, QUESTION_CHUNKS)})


def _variants(
    search: SearchParams, reranker: Reranker | None
) -> Mapping[str, tuple[SearchParams | None, Reranker | None]]:
    kinds: dict[str, tuple[SearchParams | None, Reranker | None]] = {
        kind.value: (widen(search).model_copy(update={"retriever": kind}), None) for kind in RetrieverKind
    }
    fused = kinds[RetrieverKind.FUSED][0]
    kinds["reranked"] = (fused, reranker) if reranker is not None else (None, None)
    return kinds


def search_questions(
    store: IndexStore,
    ref: IndexRef,
    questions: Sequence[GoldenQuestion],
    question_vectors: NDArray[np.float32],
    params: SearchParams,
    reranker: Reranker | None = None,
    advance: Advance = lambda _: None,
) -> dict[str, tuple[Hit, ...]]:
    """Return question ids mapped to hits, best first, found with the settings `params`."""
    found = {}
    for question, vector in zip(questions, question_vectors, strict=True):
        searcher = Searcher(store, ref, partial(_known_vector, vector), reranker)
        found[question.id] = searcher.search([question.question], params).hits
        advance(1)
    return found


def rank_questions(found: Mapping[str, Sequence[Hit]]) -> dict[str, list[str]]:
    """Return question ids mapped to the ids of the documents that were found, best first."""
    return {question: rank_documents(hits) for question, hits in found.items()}


class _RepeatedSearches(LanceDbIndex):
    """An index that keeps its last results, because fusion asks for what the two other retrievers have just found."""

    def __init__(self, root: Path, ann_from_rows: int) -> None:
        super().__init__(root, ann_from_rows)
        self._last: dict[str, tuple[object, list[Hit]]] = {}

    def search_vector(
        self, ref: IndexRef, vector: NDArray[np.float32], k: int, *, where: Filter = Filter(), exact: bool = False
    ) -> list[Hit]:
        """See `IndexStore`."""
        asked = (ref, vector.tobytes(), k, where, exact)
        return self._search("dense", asked, partial(super().search_vector, ref, vector, k, where=where, exact=exact))

    def search_text(self, ref: IndexRef, query: str, k: int, *, where: Filter = Filter()) -> list[Hit]:
        """See `IndexStore`."""
        return self._search("words", (ref, query, k, where), partial(super().search_text, ref, query, k, where=where))

    def _search(self, kind: str, asked: object, search: Callable[[], list[Hit]]) -> list[Hit]:
        before = self._last.get(kind)
        if before is None or before[0] != asked:
            self._last[kind] = before = (asked, search())
        return list(before[1])


def _known_vector(vector: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
    return vector[None, :]
