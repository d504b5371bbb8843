"""Embedding in shards: runs of batches that a worker elsewhere computes, with a model that it opens once."""

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
    """Batches of texts that one worker computes; `first` is the position of the first of them among all."""

    first: int
    batches: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class EmbeddedShard:
    """Vectors [n, dimension] of each batch of a shard, and the backend that computed them."""

    first: int
    vectors: tuple[NDArray[np.float32], ...]
    backend: str


def cut_shards(batches: Sequence[Sequence[str]], batches_per_shard: int) -> list[Shard]:
    """All batches in their order, so many to a shard; the last one may hold fewer."""
    starts = range(0, len(batches), batches_per_shard)
    return [
        Shard(start, tuple(tuple(batch) for batch in batches[start : start + batches_per_shard])) for start in starts
    ]


def embed_one_shard(shard: Shard, params: EmbeddingParams, fingerprint: str) -> EmbeddedShard:
    """The vectors of a shard; raises IntegrityFailed where this worker has another model than the one meant."""
    with _OPENING:
        embedder = _open_once(params)
    if embedder.fingerprint != fingerprint:
        raise IntegrityFailed(
            f"a worker has the embedder {embedder.fingerprint[:12]}, wanted is {fingerprint[:12]}",
            where=params.model,
            do="give all workers the same model files",
        )
    return EmbeddedShard(shard.first, tuple(embed_batches(shard.batches, embedder)), embedder.backend)


@lru_cache(maxsize=1)
def _open_once(params: EmbeddingParams) -> Embedder:
    return open_embedder(params)
