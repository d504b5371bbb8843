"""Embedding in shards: a worker on another machine computes several batches with a model that it opens once."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lorag.errors import IntegrityFailed
from lorag.integrations.models.embedders import open_embedder
from lorag.params import EmbeddingParams
from lorag.retrieval.embed import Embedder, embed_batches

_OPENING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Shard:
    """The batches of texts that one worker computes; `first` is the position of its first batch among all batches."""

    first: int
    batches: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class EmbeddedShard:
    """The vectors [n, dimension] of each batch of a shard, and the backend that computed them."""

    first: int
    vectors: tuple[NDArray[np.float32], ...]
    backend: str


def cut_shards(batches: Sequence[Sequence[str]], batches_per_shard: int) -> list[Shard]:
    """Return all batches in their order, `batches_per_shard` in each shard; the last shard may hold fewer."""
    starts = range(0, len(batches), batches_per_shard)
    return [
        Shard(start, tuple(tuple(batch) for batch in batches[start : start + batches_per_shard])) for start in starts
    ]


def embed_one_shard(shard: Shard, params: EmbeddingParams, fingerprint: str) -> EmbeddedShard:
    """Return the vectors of a shard; raise IntegrityFailed if this worker's model has another fingerprint."""
    with _OPENING:
        embedder = _open_once(params)
    if embedder.fingerprint != fingerprint:
        raise IntegrityFailed(
            f"a worker has the embedder {embedder.fingerprint[:12]}, expected {fingerprint[:12]}",
            where=params.model,
            do="give all workers the same model files",
        )
    return EmbeddedShard(shard.first, tuple(embed_batches(shard.batches, embedder)), embedder.backend)


@lru_cache(maxsize=1)
def _open_once(params: EmbeddingParams) -> Embedder:
    return open_embedder(params, verify=True)
