"""Vectors for texts: each distinct text is embedded once and then read from the cache."""

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
"""Two, so that one batch keeps the processor busy while another one ends, is checked and is cached."""

Progress = Callable[[int], None]
"""Called with the number of texts done since the last call."""

ComputeBatches = Callable[[Sequence[Sequence[str]]], Iterable[tuple[int, NDArray[np.float32]]]]
"""Yields the position and the vectors [n, dimension] of each batch of texts, in the order in which they are done."""


class Embedder(Protocol):
    """A model that turns texts into unit vectors.

    `fingerprint` names what is computed (model, tokenizer, pooling, normalisation, token limit), never what computes
    it. `backend` names that, for people. Both methods read the whole text, of up to `max_tokens` tokens.
    """

    @property
    def fingerprint(self) -> str:
        """The name of the computation: vectors with equal fingerprints may be compared with each other."""

    @property
    def dimension(self) -> int:
        """The length of each vector."""

    @property
    def backend(self) -> str:
        """The library, device and arithmetic, such as `openvino bf16`."""

    @property
    def max_tokens(self) -> int:
        """The number of tokens that it reads, special tokens included."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return the number of tokens of each text, special tokens included."""

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors [n, dimension] of unit length, all computed at once; raises InputRejected for too long a text.

        Two threads call it at a time.
        """


class VectorCache(Protocol):
    """A store of bytes by key, which may forget anything at any time."""

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values that are there, by key."""

    def put_many(self, namespace: str, values: Iterable[tuple[str, bytes]]) -> None:
        """Store the values."""


@dataclass(frozen=True, slots=True)
class EmbedderStamp:
    """The mark of an embedder's vectors: its fingerprint and their length."""

    fingerprint: str
    dimension: int


@dataclass(frozen=True, slots=True)
class EmbeddingCount:
    """The amount of work of an embedding.

    `n_embedded` and `n_tokens` count what the embedder computed. `n_cached` counts the texts that needed no
    computation, because the cache or an equal text had the vector. `n_embedded + n_cached` is the number of texts.
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
    """Return the vectors [n_texts, dimension] in the order of `texts`, and the amount of work.

    Each batch is cached as soon as it is computed. So a run that is killed loses three batches at most, and a text has
    bit for bit the same vector as long as the cache lives. Raises GateRefused for a vector that cannot be right (NaN,
    infinite, zero, wrong dimension, not of unit length) and caches nothing of its batch. The message then names the
    text by `names`, chunk ids for instance.

    `compute` lets others do the work; by default the embedder does it. The batches are always planned here, and a
    vector's last bits depend on its batch alone. So equal machines give equal vectors wherever the batches are
    computed.
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


def embed_whole(
    texts: Sequence[str], embedder: Embedder, embed: Callable[[Sequence[str]], NDArray[np.float32]]
) -> NDArray[np.float32]:
    """Return a vector [n_texts, dimension] for each text, however long, by `embed`, which takes what fits the embedder.

    A text that is longer than the embedder reads has the mean of the vectors of its parts, brought to unit length: the
    question itself may be at the end of what somebody has pasted.
    """
    lengths = embedder.count_tokens(texts) if texts else []
    parts = [
        [text] if length <= embedder.max_tokens else _cut(text, embedder)
        for text, length in zip(texts, lengths, strict=True)
    ]
    vectors = embed([part for own in parts for part in own])
    if len(vectors) == len(texts):
        return vectors
    ends = np.cumsum([len(own) for own in parts])
    rows = np.empty((len(texts), vectors.shape[1]), np.float32)
    for number, own in enumerate(np.split(vectors, ends[:-1])):
        mean = own.mean(axis=0)
        rows[number] = own[0] if len(own) == 1 else mean / max(float(np.linalg.norm(mean)), 1e-12)
    return rows


def _cut(text: str, embedder: Embedder) -> list[str]:
    """Return the parts of a text that the embedder reads, halved at a blank until each fits."""
    if len(text) < 2 or embedder.count_tokens([text])[0] <= embedder.max_tokens:
        return [text] if text.strip() else []
    middle = len(text) // 2
    blank = text.rfind(" ", 0, middle)
    at = blank if blank > len(text) // 4 else middle
    return [*_cut(text[:at], embedder), *_cut(text[at:], embedder)]


def embed_batches(batches: Iterable[Sequence[str]], embedder: Embedder) -> Iterator[NDArray[np.float32]]:
    """Yield the vectors [n, dimension] of each batch in order; two batches are computed at a time."""
    return compute_ahead(embedder.embed_batch, batches, threads=_BATCHES_AT_ONCE)


def plan_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Return positions by batch, longest text first; a batch has at most `batch_tokens` tokens, padding included.

    Each text is padded to the longest of its batch. A text above the limit is a batch of its own. Equal lengths keep
    their order.
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
        # Written so that NaN counts as bad too.
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
