"""The workspace's own questions, which the pipeline measures and the gate asks again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.digests import sha256_hex
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.reranker import open_reranker
from lorag.knowledge.documents import Document
from lorag.params import EmbeddingParams, Params
from lorag.progress import show_progress
from lorag.questions.questions import GoldenQuestion, golden_questions, read_questions
from lorag.retrieval.embed import embed_texts, embed_whole
from lorag.retrieval.index.store import IndexRow
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.asking.evaluate_retrieval import evaluate_retrieval
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


def evaluate_golden(workspace: Workspace, params: Params) -> Mapping[str, Any]:
    """Return retrieval metrics by retriever, with `n_questions`; only `n_questions` if no question can be used."""
    wanted = load_wanted(workspace)
    questions = golden_questions(read_questions(workspace.resolve(params.knowledge.questions)), wanted.documents)
    if not questions:
        return {"n_questions": 0}
    vectors = embed_questions(questions, workspace, params.embedding)
    rows = [IndexRow(c, wanted.fingerprint, v) for c, v in zip(wanted.chunks, wanted.vectors, strict=True)]
    reranker = open_reranker(params.search.reranker) if params.search.reranker else None
    with show_progress("Asking the golden questions", (4 if reranker else 3) * len(questions)) as advance:
        metrics = evaluate_retrieval(
            rows,
            questions,
            vectors,
            index=params.index,
            search=params.search,
            cutoffs=params.evaluation.k,
            reranker=reranker,
            advance=advance,
        )
    return {"n_questions": len(questions), **metrics}


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
