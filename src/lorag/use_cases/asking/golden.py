"""The workspace's own questions, which the pipeline measures and the gate asks again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.digests import sha256_hex
from lorag.evaluation.by_question import Searched, list_searched
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.reranker import open_reranker
from lorag.knowledge.documents import Document
from lorag.params import EmbeddingParams, Params
from lorag.progress import show_progress
from lorag.questions.questions import GoldenQuestion, golden_questions, read_questions
from lorag.retrieval.embed import embed_texts, embed_whole
from lorag.retrieval.index.store import IndexRow
from lorag.use_cases.asking.artifacts import Wanted, load_wanted
from lorag.use_cases.asking.evaluate_retrieval import (
    Rankings,
    RetrievalMetrics,
    measure_rankings,
    rank_with_each,
)
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Golden:
    """Questions that a generation must still answer, with their vectors [n_questions, dimension] by position."""

    questions: Sequence[GoldenQuestion]
    vectors: NDArray[np.float32]


def load_golden(workspace: Workspace, documents: Sequence[Document], params: Params) -> Golden:
    """Return up to `gate.max_questions` of the workspace's questions, chosen by a hash of their ids, with vectors."""
    questions = golden_questions(read_questions(workspace.resolve(params.knowledge.questions)), documents)
    questions = sorted(questions, key=lambda question: sha256_hex(question.id.encode()))[: params.gate.max_questions]
    return Golden(questions, embed_questions(questions, workspace, params.embedding))


@dataclass(frozen=True, slots=True)
class GoldenEvaluation:
    """The retrieval metrics over `n_questions`, empty without any, and what each question of the file got."""

    n_questions: int
    metrics: RetrievalMetrics
    questions: Sequence[Searched]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the content of reports/retrieval.json."""
        return {"n_questions": self.n_questions, **self.metrics}


def evaluate_golden(workspace: Workspace, params: Params) -> GoldenEvaluation:
    """Ask every retriever the workspace's questions whose documents are all there."""
    wanted = load_wanted(workspace)
    asked = read_questions(workspace.resolve(params.knowledge.questions))
    questions = golden_questions(asked, wanted.documents)
    rankings = _rank(questions, wanted, workspace, params) if questions else {}
    metrics = measure_rankings(questions, rankings, params.evaluation.k)
    searched = list_searched(asked, wanted.documents, wanted.chunks, rankings)
    return GoldenEvaluation(len(questions), metrics, searched)


def _rank(
    questions: Sequence[GoldenQuestion], wanted: Wanted, workspace: Workspace, params: Params
) -> Mapping[str, Rankings | None]:
    vectors = embed_questions(questions, workspace, params.embedding)
    rows = [IndexRow(c, wanted.fingerprint, v) for c, v in zip(wanted.chunks, wanted.vectors, strict=True)]
    reranker = open_reranker(params.search.reranker) if params.search.reranker else None
    with show_progress("Asking the golden questions", (4 if reranker else 3) * len(questions)) as advance:
        return rank_with_each(
            rows, questions, vectors, index=params.index, search=params.search, reranker=reranker, advance=advance
        )


def embed_questions(
    questions: Sequence[GoldenQuestion], workspace: Workspace, params: EmbeddingParams
) -> NDArray[np.float32]:
    """Return vectors [n_questions, dimension] by position, from the cache where it has them."""
    embedder = open_embedder(params)
    with BlobCache(workspace.cache_file) as cache:
        texts = [question.question for question in questions]
        return embed_whole(
            texts, embedder, lambda parts: embed_texts(parts, embedder, cache, batch_tokens=params.batch_tokens)[0]
        )
