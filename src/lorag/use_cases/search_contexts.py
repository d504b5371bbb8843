"""What the search that serves would find for many wordings, without a served index."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lorag.adapters.blob_cache import BlobCache
from lorag.adapters.embedders import open_embedder
from lorag.adapters.lancedb_index import LanceDbIndex
from lorag.adapters.reranker import open_reranker
from lorag.knowledge.documents import Chunk
from lorag.params import Params
from lorag.progress import show_progress
from lorag.retrieval.embed import embed_texts
from lorag.retrieval.index.store import IndexRow
from lorag.retrieval.search import Searcher
from lorag.use_cases.refresh_index import Wanted
from lorag.workspace import Workspace

_SPARE_HITS = 5
"""Taken beyond what is read, so that a context without its gold chunks is as long as one with them."""


def search_contexts(
    wordings: Sequence[str], wanted: Wanted, workspace: Workspace, params: Params
) -> dict[str, list[Chunk]]:
    """What the search that serves finds for each wording, from a throw-away store; questions are not rewritten."""
    embedder = open_embedder(params.embedding)
    with BlobCache(workspace.cache_file) as cache:
        vectors, _ = embed_texts(list(wordings), embedder, cache, batch_tokens=params.embedding.batch_tokens)
    top_k = max(params.search.top_k, params.answering.context_chunks) + _SPARE_HITS
    search = params.search.model_copy(update={"top_k": top_k, "candidates": max(top_k, params.search.candidates)})
    reranker = open_reranker(search.reranker) if search.reranker else None
    rows = [IndexRow(c, wanted.fingerprint, v) for c, v in zip(wanted.chunks, wanted.vectors, strict=True)]
    with (
        tempfile.TemporaryDirectory(prefix="lorag-") as scratch,
        show_progress("Searching contexts", len(wordings)) as advance,
    ):
        store = LanceDbIndex(Path(scratch), params.index.ann_from_rows)
        try:
            ref = store.write_generation(None, "training", 1, rows, ())
            found = {}
            for wording, vector in zip(wordings, vectors, strict=True):
                searcher = Searcher(store, ref, partial(_known_vector, vector), reranker)
                found[wording] = [hit.chunk for hit in searcher.search([wording], search).hits]
                advance(1)
            return found
        finally:
            store.close()


def _known_vector(vector: NDArray[np.float32], queries: Sequence[str]) -> NDArray[np.float32]:
    return vector[None, :]
