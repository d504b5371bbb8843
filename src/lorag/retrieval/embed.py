"""Vectors for texts: each distinct text is embedded once, then comes from the cache."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lorag.digests import sha256_hex
from lorag.errors import GateRefused
from lorag.retrieval.ahead import compute_ahead

NORM_TOLERANCE = 1e-3
"""How far from 1 the length of a vector may be."""

_BATCHES_AT_ONCE = 2
"""While one batch ends, is checked and cached, the next one keeps the processor busy."""

Progress = Callable[[int], None]
"""Called with the number of texts done since the last call."""

ComputeBatches = Callable[[Sequence[Sequence[str]]], Iterable[tuple[int, NDArray[np.float32]]]]
"""Vectors [n, dimension] of each batch of texts with the batch's position, in the order in which they get done."""


class Embedder(Protocol):
    """Turns texts into unit vectors.

    `fingerprint` names what is computed (model, tokenizer, pooling, normalisation, token limit) and never what
    computes it; that is `backend`, for people. Both methods read the whole text.
    """

    @property
    def fingerprint(self) -> str:
        """Equal fingerprints give vectors that may be compared with each other."""

    @property
    def dimension(self) -> int:
        """The length of each vector."""

    @property
    def backend(self) -> str:
        """Library, device and arithmetic, such as `openvino bf16`."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included."""

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors [n, dimension] of unit length, all computed at once; raises InputRejected for too long a text.

        Called by two threads at a time.
        """


class VectorCache(Protocol):
    """Bytes by key; may forget anything at any time."""

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Those of the values that are there."""

    def put_many(self, namespace: str, values: Iterable[tuple[str, bytes]]) -> None:
        """Keeps values."""


@dataclass(frozen=True, slots=True)
class EmbedderStamp:
    """What vectors of an embedder carry: its fingerprint and their length."""

    fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True)
class EmbeddingCount:
    """How much work it was.

    `n_embedded` and `n_tokens` count what the embedder computed; `n_cached` the texts that needed no computing, because
    the cache or an equal text had the vector. Both n together are the number of texts.
    """

    n_embedded: int
    n_cached: int
    n_tokens: int


def embed_texts(
    texts: Sequence[str],
    embedder: Embedder,
    cache: VectorCache,
    *,
    batch_tokens: int,
    progress: Progress | None = None,
    names: Sequence[str] | None = None,
    compute: ComputeBatches | None = None,
) -> tuple[NDArray[np.float32], EmbeddingCount]:
    """Vectors [n_texts, dimension] in the order of `texts`, and how much work they were.

    Each batch is cached as soon as it is there, so a run that is killed loses three at most, and a text has bit for bit
    the same vector for as long as the cache lives. Raises GateRefused for a vector that cannot be right (NaN,
    infinite, zero, wrong dimension, not of unit length) and caches nothing of its batch; `names` says what to call
    the texts then, chunk ids for instance.

    `compute` lets others do the work. What shares a batch is decided here, and a vector's last bits depend on that
    alone, so equal machines give equal vectors wherever the batches go. By default the embedder computes them.
    """
    advance = progress or (lambda n: None)
    namespace = f"embedding {embedder.fingerprint}"
    keys = [sha256_hex(text.encode("utf-8", "surrogatepass")) for text in texts]
    copies = Counter(keys)
    first = {key: i for i, key in reversed(list(enumerate(keys)))}
    vectors = _read_cached(cache, namespace, list(copies), embedder.dimension)
    advance(sum(copies[key] for key in vectors))

    missing = [key for key in copies if key not in vectors]
    lengths = embedder.count_tokens([texts[first[key]] for key in missing])
    batches = [[missing[i] for i in positions] for positions in plan_batches(lengths, batch_tokens)]
    contents = [[texts[first[key]] for key in batch] for batch in batches]
    for position, found in compute(contents) if compute else enumerate(embed_batches(contents, embedder)):
        batch = batches[position]
        _refuse_bad_vectors(found, [first[key] for key in batch], embedder, texts, names)
        cache.put_many(
            namespace, [(key, vector.astype("<f4").tobytes()) for key, vector in zip(batch, found, strict=True)]
        )
        vectors.update(zip(batch, found, strict=True))
        advance(sum(copies[key] for key in batch))

    count = EmbeddingCount(len(missing), len(texts) - len(missing), sum(lengths))
    rows = np.empty((len(texts), embedder.dimension), np.float32)
    for i, key in enumerate(keys):
        rows[i] = vectors[key]
    return rows, count


def embed_batches(batches: Iterable[Sequence[str]], embedder: Embedder) -> Iterator[NDArray[np.float32]]:
    """Vectors [n, dimension] of each batch in turn, two of them being computed at a time."""
    return compute_ahead(embedder.embed_batch, batches, threads=_BATCHES_AT_ONCE)


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Positions by batch, longest first; a batch, padded to its longest text, holds at most `batch_tokens` tokens.

    A text that is longer than that makes a batch of its own. Equal lengths keep their order.
    """
    batches: list[list[int]] = []
    longest = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and (len(batches[-1]) + 1) * longest <= batch_tokens:
            batches[-1].append(i)
        else:
            batches.append([i])
            longest = lengths[i]
    return batches


def _read_cached(
    cache: VectorCache, namespace: str, keys: Sequence[str], dimension: int
) -> dict[str, NDArray[np.float32]]:
    found = {}
    for key, value in cache.get_many(namespace, keys).items():
        if len(value) == 4 * dimension:
            found[key] = np.frombuffer(value, "<f4").astype(np.float32, copy=False)
    return found


def _refuse_bad_vectors(
    vectors: NDArray[np.float32],
    positions: Sequence[int],
    embedder: Embedder,
    texts: Sequence[str],
    names: Sequence[str] | None,
) -> None:
    expected = (len(positions), embedder.dimension)
    if vectors.shape != expected:
        problem, row = f"has shape {vectors.shape}, not {expected}", 0
    else:
        norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
        # Written so that NaN is bad too.
        bad = np.flatnonzero(~(np.abs(norms - 1) <= NORM_TOLERANCE))
        if not bad.size:
            return
        row = min(bad.tolist(), key=lambda row: positions[row])
        problem = f"has length {norms[row]:g}, not 1"
    i = positions[row]
    name = names[i] if names else f"text {i + 1} of {len(texts)}, {texts[i][:60]!r}"
    raise GateRefused(
        f"an embedding {problem}", where=f"{name}, by {embedder.backend}", do="try embedding.precision: fp32"
    )
