"""The search of serving for many wordings, without a served index."""

import functools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lorag.answering.sentence_features import EmbedTexts
from lorag.errors import WorkspaceError
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.reranker import open_reranker
from lorag.knowledge.documents import Chunk
from lorag.params import Params, SearchParams
from lorag.progress import show_progress
from lorag.retrieval.embed import Embedder, embed_texts, embed_whole
from lorag.retrieval.index.store import IndexRow
from lorag.retrieval.search import Searcher, SearchResult
from lorag.use_cases.asking.artifacts import Wanted
from lorag.workspace import Workspace

_SPARE_HITS = 5
"""The number of extra hits, so that a context without its gold chunks is as long as one with them."""


Search = Callable[[Mapping[str, Sequence[str]], SearchParams], dict[str, SearchResult]]
"""A search from wordings to results; each wording maps to its queries: first itself, then its rewritings."""


def search_contexts(
    queries: Mapping[str, Sequence[str]], wanted: Wanted, workspace: Workspace, params: Params
) -> dict[str, list[Chunk]]:
    """Return the chunks found for each wording, however dissimilar; see `search_wordings`."""
    found = search_wordings(queries, wanted, workspace, params)
    return {wording: [hit.chunk for hit in result.hits] for wording, result in found.items()}


def search_wordings(
    queries: Mapping[str, Sequence[str]], wanted: Wanted, workspace: Workspace, params: Params
) -> dict[str, SearchResult]:
    """Return what serving would find for each wording, from a temporary store, and some further hits.

    `queries` maps each wording to the texts to search for: see `rewrite_questions`.
    """
    top_k = max(params.search.top_k, params.answering.context_chunks) + _SPARE_HITS
    search = params.search.model_copy(update={"top_k": top_k, "candidates": max(top_k, params.search.candidates)})
    with open_search(wanted, workspace, params) as find:
        return find(queries, search)


@contextmanager
def open_embedding(workspace: Workspace, params: Params) -> Iterator[EmbedTexts]:
    """Yield a function that embeds texts as serving does, through the cache; its first call opens the embedder."""
    with BlobCache(workspace.cache_file) as cache:

        @functools.cache
        def embedder() -> Embedder:
            return open_embedder(params.embedding)

        def embed(texts: Sequence[str]) -> NDArray[np.float32]:
            return _embed_cached(texts, embedder(), cache, params)

        yield embed


def _embed_cached(texts: Sequence[str], embedder: Embedder, cache: BlobCache, params: Params) -> NDArray[np.float32]:
    def embed(parts: Sequence[str]) -> NDArray[np.float32]:
        return embed_texts(parts, embedder, cache, batch_tokens=params.embedding.batch_tokens)[0]

    return embed_whole(texts, embedder, embed)


@contextmanager
def open_search(wanted: Wanted, workspace: Workspace, params: Params) -> Iterator[Search]:
    """Yield a search over a temporary store of the artifacts, which finds what serving would find.

    Raises WorkspaceError if the artifacts were made with an embedder other than the installed one.
    """
    embedder = open_embedder(params.embedding)
    if embedder.fingerprint != wanted.fingerprint:
        raise WorkspaceError(
            f"the chunks were embedded with another model than {workspace.name_of(params.embedding.model)} is now",
            where=workspace.embeddings_file.name,
            do="run `lorag refresh`",
        )
    rows = [IndexRow(c, wanted.fingerprint, v) for c, v in zip(wanted.chunks, wanted.vectors, strict=True)]
    with tempfile.TemporaryDirectory(prefix="lorag-") as scratch:
        store = LanceDbIndex(Path(scratch), params.index.ann_from_rows)
        ref = store.write_generation(None, "training", 1, rows, ())

        def find(queries: Mapping[str, Sequence[str]], search: SearchParams) -> dict[str, SearchResult]:
            texts = list(dict.fromkeys(query for own in queries.values() for query in own))
            with BlobCache(workspace.cache_file) as cache:
                vectors = _embed_cached(texts, embedder, cache, params)
            known = dict(zip(texts, vectors, strict=True))
            reranker = open_reranker(search.reranker) if search.reranker else None
            searcher = Searcher(store, ref, lambda asked: np.stack([known[query] for query in asked]), reranker)
            found = {}
            with show_progress("Searching contexts", len(queries)) as advance:
                for wording, own in queries.items():
                    found[wording] = searcher.search(own, search)
                    advance(1)
            return found

        try:
            yield find
        finally:
            store.close()
