"""The work of each stage in dvc.yaml: artifacts as a function of the source, the params and the code."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from lorag.digests import canonical_json, digest_of, sha256_hex
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.parsing.source_folder import REJECTED_FILE
from lorag.knowledge.artifacts import chunk_to_json, corpus_digest, read_rejected
from lorag.knowledge.chunking import CHUNKER_VERSION, TokenCounter, chunk_document
from lorag.knowledge.documents import Chunk, Corpus, Document
from lorag.params import ChunkingParams, KnowledgeParams
from lorag.releases.forgotten import Forgotten
from lorag.releases.record import content_digest
from lorag.use_cases.refresh.load_corpus import load_corpus
from lorag.use_cases.refresh.snapshot_source import read_first_names

Advance = Callable[[int], None]
"""A function that is called with the number of items done since the last call."""


class Parses:
    """The parse results in the cache; new ones are all written together at the end."""

    def __init__(self, cache: BlobCache) -> None:
        self._cache = cache
        self._waiting: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._cache.put_many("parses", self._waiting.items())

    def get(self, key: str) -> bytes | None:
        """Return what was put under `key`; None if nothing was."""
        return self._waiting.get(key) or self._cache.get("parses", key)

    def put(self, key: str, value: bytes) -> None:
        """Keep `value` under `key`."""
        self._waiting[key] = value


def read_source(
    source: Path,
    params: KnowledgeParams,
    cache: BlobCache,
    advance: Advance | None = None,
    keep_ids: Collection[str] = (),
    forgotten: Forgotten = Forgotten(),
    copied: Collection[str] | None = None,
) -> Corpus:
    """Return the corpus of a source, with the files that its snapshot could not copy among the rejected.

    Of equal files the document has the first name, unless one of them is in `keep_ids` or in the snapshot's list. What
    was forgotten is left out, and so is what a refresh would hold back that `copied` these files before.
    """
    with Parses(cache) as parses:
        keep_ids = {*keep_ids, *read_first_names(source)}
        corpus = load_corpus(
            source,
            params,
            cache=parses,
            progress=advance,
            keep_ids=keep_ids,
            forgotten=forgotten,
            copied=copied,
        )
    left_behind = source / REJECTED_FILE
    if not left_behind.is_file():
        return corpus
    return replace(corpus, rejected=(*corpus.rejected, *read_rejected(left_behind)))


def chunk_corpus(
    documents: Sequence[Document],
    params: ChunkingParams,
    tokens: TokenCounter,
    tokenizer_id: str,
    cache: BlobCache,
    advance: Advance,
) -> list[Chunk]:
    """Return the chunks of all documents in their order; only documents that are not in the cache are chunked."""
    settings = digest_of([CHUNKER_VERSION, params.model_dump(mode="json"), tokenizer_id])
    keys = [sha256_hex(f"{settings} {document.version} {document.id}".encode()) for document in documents]
    cached = cache.get_many("chunks", keys)
    fresh: list[tuple[str, bytes]] = []
    chunks: list[Chunk] = []
    for key, document in zip(keys, documents, strict=True):
        if key in cached:
            found = [Chunk(**value) for value in json.loads(cached[key])]
        else:
            found = chunk_document(document, params, tokens)
            fresh.append((key, canonical_json([chunk_to_json(chunk) for chunk in found]).encode()))
        chunks += found
        advance(1)
    cache.put_many("chunks", fresh)
    return chunks


def describe_index(
    documents: Sequence[Document], chunks: Sequence[Chunk], token_counts: Sequence[int], fingerprint: str
) -> dict[str, Any]:
    """Return the index report: the digests and the size of what will be indexed, and a histogram of chunk lengths."""
    spread = np.percentile(token_counts, [0, 50, 95, 100]).tolist() if token_counts else [0, 0, 0, 0]
    return {
        "content_digest": content_digest((chunk.id, chunk.content_hash, fingerprint) for chunk in chunks),
        "corpus_digest": corpus_digest(documents),
        "embedder_fingerprint": fingerprint,
        "n_documents": len(documents),
        "n_chunks": len(chunks),
        "n_tokens": int(sum(token_counts)),
        "tokens_per_chunk": dict(zip(("min", "median", "p95", "max"), spread, strict=True)),
    }


def spread_of_tokens(token_counts: Sequence[int], *, width: int = 20) -> list[dict[str, int]]:
    """Return a histogram for a plot: rows with `tokens` (the lower edge of a bin) and `chunks`."""
    bins = Counter(count // width * width for count in token_counts)
    return [{"tokens": edge, "chunks": bins[edge]} for edge in sorted(bins)]
