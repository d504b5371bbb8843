"""The protocol of a vector store; `integrations.lancedb.index` and `integrations.weaviate.index` implement it."""

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
    """The permanent name of one generation of an index: a release records it, and a reader opens it.

    `name` is the table or collection. `version` is the store's own name for this state of it (a LanceDB table version;
    for Weaviate, the generation again).
    """

    store: StoreKind
    name: str
    generation: int
    version: int
    dimension: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values, for a release record."""
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
    """The part of an indexed chunk that a plan needs to know."""

    document_id: str
    content_hash: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that a search found; a higher score is better, and scores compare within one search only.

    `newer` is the id of a page that was found too and is a later state of the chunk's page; None without one.
    """

    chunk: Chunk
    score: float
    newer: str | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition applied inside the store: only chunks of these documents, and with all of these metadata values.

    Empty means no restriction. Values are compared exactly, whatever characters they hold; of a list of values, any one
    may be named.
    """

    document_ids: tuple[str, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()


def filter_pairs(metadata: Mapping[str, str]) -> set[tuple[str, str]]:
    """Return the keys and values by which a filter may select a chunk: each value, and each item of a list.

    Lists are kept as text with `, ` between their items, as they were read from the front matter.
    """
    pairs = set(metadata.items())
    for key, value in metadata.items():
        if ", " in value:
            pairs.update((key, item) for item in value.split(", ") if item)
    return pairs


class IndexStore(Protocol):
    """A vector store that keeps generations.

    A generation that `write_generation` has returned never changes for its readers, even if a later write breaks off
    midway. Failures of the outside system raise `StoreFailed`. A generation that no longer exists or cannot be opened
    raises `IntegrityFailed`. There is one writer at a time: the caller holds the workspace's lock.
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
        """Make `generation` from `base`, without the chunk ids in `remove` and with `add`.

        A chunk id in both is replaced. With `base` None, or a base of another name, a new table or collection `name` is
        filled with `add` alone. Whatever an earlier writer left unfinished after `base` is dropped first, so the same
        call again gives the same state.
        """

    def entries(self, ref: IndexRef) -> dict[str, IndexEntry]:
        """Return chunk id to entry for every row of the generation."""

    def rows(self, ref: IndexRef, ids: Sequence[str] | None = None) -> Iterator[IndexRow]:
        """Yield all rows of the generation, or those of `ids` that exist, sorted by chunk id; vectors bit for bit."""

    def chunks(self, ref: IndexRef, where: Filter) -> list[Chunk]:
        """Return every chunk of the generation that the filter selects, sorted by id."""

    def count(self, ref: IndexRef, *, expected: int | None = None) -> int:
        """Return the number of rows of the generation; raise IntegrityFailed if a file that a search reads is gone.

        A store of several nodes may have lost one of them. If there are not `expected` rows at once, it waits for the
        seconds in which the other nodes catch up with what they had confirmed together.
        """

    def altered_files(self, ref: IndexRef) -> list[str]:
        """Return the files of the generation whose bytes are not those that `make_durable` found, by name.

        A store on a server keeps its files itself, and returns none.
        """

    def search_vector(
        self, ref: IndexRef, vector: Vector, k: int, *, where: Filter = Filter(), exact: bool = False
    ) -> list[Hit]:
        """Return the `k` nearest by cosine, best first, score = cosine; `exact` compares with every row."""

    def search_text(self, ref: IndexRef, query: str, k: int, *, where: Filter = Filter()) -> list[Hit]:
        """Return the `k` best by BM25 over context and text, best first; only words count, never query syntax.

        The statistics are those of the generation's rows, so scores do not depend on how it came to hold them, nor on
        the filter, nor on the store.
        """

    def unreachable(
        self, ref: IndexRef, rows: Sequence[IndexRow], *, intact: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """Return the ids of those `rows` that a search by their own vector does not bring back as they were written.

        `intact` means that all are known to be stored as written, so that only the search is in doubt.
        """

    def mend(self, ref: IndexRef, rows: Sequence[IndexRow]) -> IndexRef:
        """Delete and insert these rows of an unpublished generation again; return the ref to use from then on."""

    def make_durable(self, ref: IndexRef) -> None:
        """Return once the generation survives a power failure, as far as the store can promise that."""

    def drop_all_but(self, keep: Sequence[IndexRef]) -> None:
        """Free every generation, table and collection of this workspace's index that `keep` does not name."""

    def check_words(self, ref: IndexRef) -> None:
        """Raise IntegrityFailed if the word index of the generation is damaged or is not that of its rows."""

    def close(self) -> None:
        """Close the connections; may be called twice."""
