"""The search: from a question to the chunks that a strategy may read."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lorag.params import RetrieverKind, SearchParams
from lorag.retrieval.fuse import cap_per_document, fuse_hits, scale_relevance, select_diverse
from lorag.retrieval.index.store import Filter, Hit, IndexRef, IndexStore
from lorag.retrieval.newer import prefer_newer
from lorag.retrieval.rerank import Reranker, rerank
from lorag.retrieval.terms import index_terms, query_terms

EmbedQuery = Callable[[Sequence[str]], NDArray[np.float32]]
"""A function from texts to unit vectors [n, dimension] float32."""

_READ_FOR_WORDS = 3
"""The best hits in which the words of a question are looked for."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits, best first, and the best cosine of the question itself (None if no dense search ran)."""

    hits: tuple[Hit, ...]
    best_similarity: float | None
    question: str = ""

    def relevant(self, min_similarity: float) -> tuple[Hit, ...]:
        """Return the hits; none if even the best is not similar enough to the question.

        Hits of which the first three hold every word of the question are relevant however similar: a rare name such as
        NASUWT says nothing to an embedder.
        """
        if self.best_similarity is None or self.best_similarity >= min_similarity or self._holds_question():
            return self.hits
        return ()

    def _holds_question(self) -> bool:
        asked = query_terms(self.question)
        there = {term for hit in self.hits[:_READ_FOR_WORDS] for term in index_terms(hit.chunk.embedded_text)[0]}
        return bool(asked) and there.issuperset(asked)


@dataclass(frozen=True, slots=True)
class Searcher:
    """A generation of an index with the parts that search it.

    An `executor` runs the dense and the word search in parallel.
    """

    store: IndexStore
    ref: IndexRef
    embed: EmbedQuery
    reranker: Reranker | None = None
    executor: Executor | None = None

    def search(
        self, queries: Sequence[str], params: SearchParams, *, where: Filter = Filter(), exact: bool = False
    ) -> SearchResult:
        """Return the `top_k` chunks for `queries[0]`, the question; further queries are rewritings of it.

        Candidates of every query and retriever are fused by reciprocal rank, then reranked, freed of passages that a
        newer page replaces, capped for each document and diversified, as `params` say.
        """
        vectors = self.embed(queries) if params.retriever is not RetrieverKind.BM25 else None
        dense, words = self._candidates(queries, vectors, params, where, exact)
        # Rewritings do not count: a passage that a model made up resembles something in any knowledge base.
        best = dense[0][0].score if dense and dense[0] else None
        rankings = [*dense, *words]
        hits = list(rankings[0]) if len(rankings) == 1 else fuse_hits(rankings, params.rrf_k)
        if self.reranker is not None:
            head = hits[: params.rerank_candidates]
            scores = self.reranker.score(queries[0], [hit.chunk.embedded_text for hit in head])
            hits = rerank(head, scores) + hits[params.rerank_candidates :]
        if params.prefer_newer:
            hits = prefer_newer(queries[0], hits)
        hits = cap_per_document(hits, params.max_per_document)
        if params.mmr_lambda is not None and hits:
            hits = self._diversify(hits, params.top_k, params.mmr_lambda)
        return SearchResult(tuple(hits[: params.top_k]), best, queries[0])

    def _candidates(
        self,
        queries: Sequence[str],
        vectors: NDArray[np.float32] | None,
        params: SearchParams,
        where: Filter,
        exact: bool,
    ) -> tuple[list[list[Hit]], list[list[Hit]]]:
        def search_words() -> list[list[Hit]]:
            if params.retriever is RetrieverKind.DENSE:
                return []
            return [self.store.search_text(self.ref, query, params.candidates, where=where) for query in queries]

        pending = self.executor.submit(search_words) if self.executor and vectors is not None else None
        dense = []
        if vectors is not None:
            dense = [
                self.store.search_vector(self.ref, vector, params.candidates, where=where, exact=exact)
                for vector in vectors
            ]
        return dense, pending.result() if pending else search_words()

    def _diversify(self, hits: list[Hit], n: int, weight: float) -> list[Hit]:
        vectors_by_id = {row.chunk.id: row.vector for row in self.store.rows(self.ref, [hit.chunk.id for hit in hits])}
        vectors = np.stack([vectors_by_id[hit.chunk.id] for hit in hits]).astype(np.float32)
        order = select_diverse(scale_relevance(hits), vectors, n, weight)
        return [hits[index] for index in order]
