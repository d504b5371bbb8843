"""What every vector store does for lorag; the adapters `lancedb_index` and `weaviate_index` do it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lorag.knowledge.documents import Chunk
from lorag.params import StoreKind

Vector = NDArray[np.float32]
"""Shape [dimension], unit length."""

Progress = Callable[[int], None]
"""Called with the number of rows done since the last call."""


@dataclass(frozen=True, slots=True)
class IndexRef:
    """Names one generation of an index for good: what a release records and a reader opens.

    `name` is the table or collection, `version` the store's own name for this state of it (a LanceDB table version;
    for Weaviate the generation once more).
    """

    store: StoreKind
    name: str
    generation: int
    version: int
    dimension: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a release record."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "IndexRef":
        """The inverse of `to_json`; a KeyError or ValueError means a damaged record."""
        return cls(
            StoreKind(value["store"]),
            str(value["name"]),
            int(value["generation"]),
            int(value["version"]),
            int(value["dimension"]),
        )


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A chunk with its vector and the fingerprint of the embedder that made it."""

    chunk: Chunk
    fingerprint: str
    vector: Vector


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """What a plan needs to know of an indexed chunk."""

    document_id: str
    content_hash: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search found; a higher score is better, and scores compare within one search only."""

    chunk: Chunk
    score: float


@dataclass(frozen=True, slots=True)
class Filter:
    """Applied inside the store: only chunks of these documents, and with all of these metadata values.

    Empty means no restriction. Values are compared exactly, whatever characters they hold.
    """

    document_ids: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


class IndexStore(Protocol):
    """A vector store that keeps generations.

    A generation, once returned by `write_generation`, never changes for its readers, whatever is written later or
    breaks off midway. Failures of the outside system raise `StoreFailed`; a generation that is not there any more or
    cannot be opened raises `IntegrityFailed`. One writer at a time: the caller holds the workspace's lock.
    """

    def write_generation(
        self,
        base: IndexRef | None,
        name: str,
        generation: int,
        add: Sequence[IndexRow],
        remove: Sequence[str],
        *,
        progress: Progress | None = None,
    ) -> IndexRef:
        """Makes `generation` out of `base` less the chunk ids in `remove` plus `add`.

        A chunk id in both is replaced. With `base` None, or a base of another name, a new table or collection `name`
        is filled with `add` alone. Whatever an earlier writer left unfinished after `base` is dropped first, so the
        same call again gives the same state.
        """

    def entries(self, ref: IndexRef) -> dict[str, IndexEntry]:
        """Chunk id to entry for every row of the generation."""

    def rows(self, ref: IndexRef, ids: Sequence[str] | None = None) -> Iterator[IndexRow]:
        """All rows of the generation sorted by chunk id, or those of `ids` that are there; vectors bit for bit."""

    def count(self, ref: IndexRef, *, expected: int | None = None) -> int:
        """The number of rows of the generation.

        A store of several nodes, one of which was lost, is given the seconds in which the others catch up with what
        they had confirmed together, if there are not `expected` rows at once.
        """

    def search_vector(
        self, ref: IndexRef, vector: Vector, k: int, *, where: Filter = Filter(), exact: bool = False
    ) -> list[Hit]:
        """The `k` nearest by cosine, best first, score = cosine; `exact` compares with every row."""

    def search_text(self, ref: IndexRef, query: str, k: int, *, where: Filter = Filter()) -> list[Hit]:
        """The `k` best by BM25 over context and text, best first; words only, never query syntax."""

    def unreachable(
        self, ref: IndexRef, rows: Sequence[IndexRow], *, intact: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """Ids of those `rows` that a search by their own vector does not bring back as it was written.

        `intact` says that all are known to be stored as written, so that only the search is in doubt.
        """

    def mend(self, ref: IndexRef, rows: Sequence[IndexRow]) -> IndexRef:
        """Deletes and inserts these rows of an unpublished generation again; the ref to use from then on."""

    def make_durable(self, ref: IndexRef) -> None:
        """Returns once the generation survives a power failure, as far as the store can promise that."""

    def drop_all_but(self, keep: Sequence[IndexRef]) -> None:
        """Frees every generation, table and collection of this workspace's index that `keep` does not name."""

    def close(self) -> None:
        """Gives connections back; may be called twice."""
