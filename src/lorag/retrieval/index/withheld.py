"""An index as a reader may see it while documents that must not be used are still in it."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, cast

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import Filter, Hit, IndexEntry, IndexRef, IndexRow, IndexStore, Vector


def withhold(store: IndexStore, document_ids: Collection[str]) -> IndexStore:
    """Return a store for reading that finds no chunk of these documents; otherwise it is the same as `store`."""
    return cast("IndexStore", _Withheld(store, frozenset(document_ids))) if document_ids else store


class _Withheld:
    def __init__(self, store: IndexStore, document_ids: frozenset[str]) -> None:
        self._store, self._out = store, document_ids
        self._counts: dict[IndexRef, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def entries(self, ref: IndexRef) -> dict[str, IndexEntry]:
        found = self._store.entries(ref)
        return {name: entry for name, entry in found.items() if entry.document_id not in self._out}

    def rows(self, ref: IndexRef, ids: Sequence[str] | None = None) -> Iterator[IndexRow]:
        return (row for row in self._store.rows(ref, ids) if row.chunk.document_id not in self._out)

    def chunks(self, ref: IndexRef, where: Filter) -> list[Chunk]:
        return [chunk for chunk in self._store.chunks(ref, where) if chunk.document_id not in self._out]

    def search_vector(
        self, ref: IndexRef, vector: Vector, k: int, *, where: Filter = Filter(), exact: bool = False
    ) -> list[Hit]:
        return self._left(self._store.search_vector(ref, vector, k + self._n(ref), where=where, exact=exact), k)

    def search_text(self, ref: IndexRef, query: str, k: int, *, where: Filter = Filter()) -> list[Hit]:
        return self._left(self._store.search_text(ref, query, k + self._n(ref), where=where), k)

    def _n(self, ref: IndexRef) -> int:
        """Return how many chunks are withheld: so many more have to be searched for, so that `k` are left."""
        if ref not in self._counts:
            self._counts[ref] = len(self._store.chunks(ref, Filter(tuple(sorted(self._out)))))
        return self._counts[ref]

    def _left(self, hits: Sequence[Hit], k: int) -> list[Hit]:
        return [hit for hit in hits if hit.chunk.document_id not in self._out][:k]
