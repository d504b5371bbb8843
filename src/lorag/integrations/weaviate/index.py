"""The vector store for more than one machine: a Weaviate collection for each index name, generations as filters."""

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tenacity import Retrying, retry_if_not_result, stop_after_delay, wait_fixed

from lorag.errors import StoreFailed
from lorag.integrations.row_keys import is_same_row
from lorag.integrations.weaviate.client import WeaviateAddress, read_addresses
from lorag.integrations.weaviate.collections import WeaviateCollections, read_namespace
from lorag.integrations.weaviate.nodes import WeaviateNodes, at_quorum
from lorag.integrations.weaviate.schema import (
    BUCKETS,
    CHUNK_PROPERTIES,
    ROW_PROPERTIES,
    SPAN_PROPERTIES,
    chunk_from,
    has_chunk_ids,
    in_buckets,
    is_visible,
    matching,
    row_from,
    visible_at,
)
from lorag.integrations.weaviate.writer import WeaviateWriter, object_id
from lorag.integrations.word_files import WordFiles
from lorag.knowledge.documents import Chunk
from lorag.params import IndexParams, StoreKind
from lorag.retrieval.ahead import compute_ahead
from lorag.retrieval.index.store import Filter, Hit, IndexEntry, IndexRef, IndexRow, Progress, Vector

_PAGE_ROWS = 500
_SCAN_ROWS = 2_000
_PART_ROWS = 4_000
_FETCH_THREADS = 2
_PROBE_THREADS = 8
_PROBE_HITS = 16
_MANY_PROBE_HITS = 2_000
# A part of an exact search may hold more rows than the average bucket suggests.
_EXACT_PART_SHARE = 0.7
# Nodes compare their copies every few seconds, and it takes longer after one was down.
_CATCHING_UP_S = 60

T = TypeVar("T")


def open_weaviate(params: IndexParams, root: Path, environment: Mapping[str, str]) -> "WeaviateIndex":
    """Return the store at the addresses in `environment`, connected on first use; `root` keeps its namespace."""
    return WeaviateIndex(read_addresses(environment), read_namespace(root), params, words=root / "words")


class WeaviateIndex:
    """A store of generations as spans: an object is seen by the generations from its `since` to before its `until`."""

    def __init__(
        self, addresses: Sequence[WeaviateAddress], namespace: str, params: IndexParams, *, words: Path
    ) -> None:
        self._nodes = WeaviateNodes(addresses)
        self._collections = WeaviateCollections(self._nodes, namespace, params)
        self._params = params
        self._words = WordFiles(words)
        self._readable: dict[tuple[str, int], Any] = {}
        self._part_edges: dict[tuple[str, int], list[int]] = {}
        self._listed: dict[tuple[str, int], dict[str, int]] = {}
        """By collection and generation: since when each of its chunks exists, which names the chunk's object."""
        self._lock = threading.RLock()

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
        """See `IndexStore`; nothing that a reader of an earlier generation sees is changed."""
        dimension = len(add[0].vector) if add else base.dimension if base else 0
        if base is not None and (base.name != name or (base.dimension != dimension and not self.count(base))):
            base = None
        if base is not None and base.dimension != dimension:
            raise StoreFailed(
                f"vectors of {dimension} dimensions do not fit {base.dimension}", where=name, do="use a new index name"
            )
        ref = IndexRef(StoreKind.WEAVIATE, name, generation, generation, dimension)
        # Another writer of this generation may have failed after it had written its words.
        self._words.forget(ref)
        with self._nodes.errors():
            collection = self._writable(base, name, dimension, generation)
            writer = WeaviateWriter(collection)
            writer.undo(generation)
            self._listed.pop((collection.name, generation), None)
            if base is None:
                writer.close_all(generation)
            else:
                replaced = {*remove, *(row.chunk.id for row in add)}
                writer.branch(base.generation, generation, without=replaced)
                writer.close(sorted(replaced), generation)
            writer.insert(add, generation, progress)
            before = max(self._collections.describe(collection.name, lambda known: known | {generation}), default=None)
            self._part_edges.clear()
            listed = self._listed.pop((collection.name, base.generation), None) if base else None
            if base and listed is not None and before == base.generation:
                kept = {chunk_id: since for chunk_id, since in listed.items() if chunk_id not in replaced}
                new = {row.chunk.id: generation for row in add}
                self._listed[collection.name, generation] = kept | new
        self._write_words(ref, base, add, remove)
        return ref

    def entries(self, ref: IndexRef) -> dict[str, IndexEntry]:
        """See `IndexStore`."""
        wanted = ["chunk_id", "document_id", "content_hash", "fingerprint"]
        found: dict[str, IndexEntry] = {}
        listed: dict[str, int] = {}
        for item in self._scan(ref, wanted):
            chunk_id, *entry = (str(item.properties[name]) for name in wanted)
            found[chunk_id] = IndexEntry(*entry)
            listed[chunk_id] = item.properties["since"]
        self._listed[self._collection(ref).name, ref.generation] = listed
        return found

    def rows(self, ref: IndexRef, ids: Sequence[str] | None = None) -> Iterator[IndexRow]:
        """See `IndexStore`."""
        if ids is not None:
            wanted = sorted(set(ids))
            for part in _slices(wanted):
                yield from sorted(self._fetch(ref, part), key=lambda row: row.chunk.id)
            return
        collection = self._collection(ref)

        def fetch(page: Sequence[tuple[str, Any]]) -> list[IndexRow]:
            with self._nodes.errors():
                found = collection.query.fetch_objects_by_ids(
                    [uuid for _, uuid in page],
                    limit=len(page),
                    include_vector=True,
                    return_properties=[*ROW_PROPERTIES, *SPAN_PROPERTIES],
                ).objects
            seen = (row_from(item) for item in found if is_visible(item.properties, ref.generation))
            return sorted(seen, key=lambda row: row.chunk.id)

        uuids = self._objects(ref)

        # The server fetches a page while the one before it is unpacked and the one before that is read.
        for rows in compute_ahead(fetch, _slices(uuids), threads=_FETCH_THREADS):
            yield from rows

    def chunks(self, ref: IndexRef, where: Filter) -> list[Chunk]:
        """See `IndexStore`; a cursor takes no filter, and a server counts only so far, so it goes by buckets."""
        collection = self._collection(ref)
        parts = max(1, min(BUCKETS, -(-self.count(ref) // _PART_ROWS)))
        edges = np.linspace(0, BUCKETS, parts + 1).astype(int).tolist()
        found: dict[str, Chunk] = {}
        for documents in _slices(where.document_ids) if where.document_ids else [()]:
            condition = matching(replace(where, document_ids=tuple(documents)), ref.generation)
            for start, end in zip(edges, edges[1:], strict=False):
                found |= self._matching(collection, condition & in_buckets(start, end))
        return [found[chunk_id] for chunk_id in sorted(found)]

    def _matching(self, collection: Any, condition: Any) -> dict[str, Chunk]:
        found: dict[str, Chunk] = {}
        with self._nodes.errors():
            for offset in itertools.count(0, _PAGE_ROWS):
                page = collection.query.fetch_objects(
                    filters=condition, limit=_PAGE_ROWS, offset=offset, return_properties=CHUNK_PROPERTIES
                ).objects
                found |= {chunk.id: chunk for chunk in (chunk_from(item.properties) for item in page)}
                if len(page) < _PAGE_ROWS:
                    return found
        raise AssertionError("a count has no end")

    def count(self, ref: IndexRef, *, expected: int | None = None) -> int:
        """See `IndexStore`; the node that is asked counts in its own copy."""

        def count_once() -> int:
            collection = self._collection(ref)
            with self._nodes.errors():
                counted = collection.aggregate.over_all(filters=visible_at(ref.generation), total_count=True)
                return int(counted.total_count or 0)

        if expected is None or self._params.replication_factor == 1:
            return count_once()
        retrying = Retrying(
            retry=retry_if_not_result(lambda counted: counted == expected),
            stop=stop_after_delay(_CATCHING_UP_S),
            wait=wait_fixed(1),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else 0,
        )
        return retrying(count_once)

    def altered_files(self, ref: IndexRef) -> list[str]:
        """See `IndexStore`."""
        return []

    def search_vector(
        self, ref: IndexRef, vector: Vector, k: int, *, where: Filter = Filter(), exact: bool = False
    ) -> list[Hit]:
        """See `IndexStore`.

        The server compares with every row if the filter selects fewer than `ann_from_rows`. So an exact search of more
        rows goes through them in parts.
        """
        collection = self._collection(ref)
        conditions = [matching(where, ref.generation)]
        if exact:
            conditions = [conditions[0] & part for part in self._parts(ref)]
        hits: list[Hit] = []
        with self._nodes.errors():
            for condition in conditions:
                found = collection.query.near_vector(
                    np.asarray(vector, np.float32).tolist(),
                    limit=k,
                    filters=condition,
                    return_properties=CHUNK_PROPERTIES,
                    return_metadata=["distance"],
                ).objects
                hits.extend(Hit(chunk_from(item.properties), -float(item.metadata.distance)) for item in found)
        return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.id))[:k]

    def search_text(self, ref: IndexRef, query: str, k: int, *, where: Filter = Filter()) -> list[Hit]:
        """See `IndexStore`; the words are files beside the workspace, because the server counts all generations."""
        collection = self._collection(ref)
        with self._nodes.errors():
            ranked = self._words.rank(ref, query, k, where, lambda: self.chunks(ref, Filter()))
            by_id: dict[str, Chunk] = {}
            for part in _slices(ranked):
                condition = has_chunk_ids([chunk_id for chunk_id, _ in part]) & visible_at(ref.generation)
                by_id |= self._matching(collection, condition)
        return [Hit(by_id[chunk_id], score) for chunk_id, score in ranked if chunk_id in by_id]

    def _write_words(
        self, ref: IndexRef, base: IndexRef | None, add: Sequence[IndexRow], remove: Sequence[str]
    ) -> None:
        chunks = [row.chunk for row in add]
        self._words.write(ref, base, chunks, remove, lambda: self.chunks(base, Filter()) if base else ())

    def unreachable(
        self, ref: IndexRef, rows: Sequence[IndexRow], *, intact: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """See `IndexStore`; a row is read in any case, to know its object.

        Each row is compared, and searched for in the graph alone. A filter would make the server compare with every
        row, which hides what a killed server lost from its graph. Of a replicated index every node that answers is
        asked, because each has a graph of its own.
        """
        missing: set[str] = set()
        with ThreadPoolExecutor(_PROBE_THREADS) as pool, self._nodes.errors():
            for collection in self._copies(ref):
                for part in _slices(rows):
                    missing.update(self._missing(collection, ref, part, pool))
                    if progress:
                        progress(len(part))
        return [row.chunk.id for row in rows if row.chunk.id in missing]

    def _copies(self, ref: IndexRef) -> Iterator[Any]:
        """Yield the collection of each node that answers; for an index that is kept once, the collection."""
        name = self._collection(ref).name
        if self._params.replication_factor == 1:
            yield self._nodes.use(name)
        else:
            yield from (at_quorum(client, name) for client in self._nodes.each())

    def _missing(
        self, collection: Any, ref: IndexRef, rows: Sequence[IndexRow], pool: ThreadPoolExecutor
    ) -> Iterator[str]:
        ids = [row.chunk.id for row in rows]
        stored = {row.chunk.id: (row, uuid) for row, uuid in _fetch_stored(collection, ref, ids)}

        def is_there(row: IndexRow) -> bool:
            found = stored.get(row.chunk.id)
            return found is not None and is_same_row(row, found[0]) and _is_in_graph(collection, row.vector, found[1])

        return (row.chunk.id for row, there in zip(rows, pool.map(is_there, rows), strict=True) if not there)

    def mend(self, ref: IndexRef, rows: Sequence[IndexRow]) -> IndexRef:
        """See `IndexStore`; putting an object again is not enough, because an unchanged vector is skipped."""
        collection = self._collection(ref)
        with self._nodes.errors():
            WeaviateWriter(collection).replace(rows, ref.generation)
        self._listed.clear()
        self._write_words(ref, ref, rows, ())
        return ref

    def make_durable(self, ref: IndexRef) -> None:
        """Point the index name's alias to the collection.

        The server acknowledges a write once it is in its log, which it does not fsync. Replication is the protection
        against a power failure of one node.
        """
        self._collection(ref)
        self._collections.point_alias(ref)
        self._words.make_durable(ref)

    def drop_all_but(self, keep: Sequence[IndexRef]) -> None:
        """See `IndexStore`."""
        kept: dict[str, set[int]] = {}
        for ref in keep:
            kept.setdefault(self._collections.name(ref.name, ref.dimension), set()).add(ref.generation)
        self._forget_handles()
        self._collections.drop_others(kept)
        for name, generations in kept.items():
            if self._collections.describe(name, generations.intersection):
                with self._nodes.errors():
                    WeaviateWriter(self._nodes.use(name)).drop_all_but(generations)
        self._words.drop_all_but(keep)

    def check_words(self, ref: IndexRef) -> None:
        """See `IndexStore`."""
        self._words.check(ref, self.entries(ref))

    def close(self) -> None:
        """See `IndexStore`."""
        with self._lock:
            self._forget_handles()
            self._nodes.close()
        self._words.close()

    def _collection(self, ref: IndexRef) -> Any:
        """Return the collection of a generation that is there, complete and retained."""
        key = (self._collections.name(ref.name, ref.dimension), ref.generation)
        with self._lock, self._nodes.errors():
            if key not in self._readable:
                self._readable[key] = self._collections.open(ref)
            return self._readable[key]

    def _writable(self, base: IndexRef | None, name: str, dimension: int, generation: int) -> Any:
        if base is not None:
            return self._collection(base)
        collection = self._collections.name(name, dimension)
        if any(known < generation for known in self._collections.generations(collection)):
            return self._nodes.use(collection)
        self._forget_handles()
        return self._collections.create(collection)

    def _forget_handles(self) -> None:
        self._readable.clear()
        self._part_edges.clear()
        self._listed.clear()

    def _objects(self, ref: IndexRef) -> list[tuple[str, Any]]:
        """Return each chunk's id with that of its object, sorted.

        They are known if this process has listed the generation before, or has made it from one that it had listed.
        They are complete if there are as many as visible objects, and each turns out to be visible when it is read.
        """
        name = self._collection(ref).name
        listed = self._listed.get((name, ref.generation))
        if listed is not None and len(listed) == self.count(ref):
            return [(chunk_id, object_id(name, chunk_id, listed[chunk_id])) for chunk_id in sorted(listed)]
        return sorted((str(item.properties["chunk_id"]), item.uuid) for item in self._scan(ref, ["chunk_id"]))

    def _scan(self, ref: IndexRef, properties: Sequence[str]) -> Iterator[Any]:
        """Yield each object of a generation once, without its vector; a cursor takes no filter, so it is done here."""
        collection = self._collection(ref)
        with self._nodes.errors():
            items = collection.iterator(return_properties=[*properties, *SPAN_PROPERTIES], cache_size=_SCAN_ROWS)
            yield from (item for item in items if is_visible(item.properties, ref.generation))

    def _fetch(self, ref: IndexRef, ids: Sequence[str]) -> list[IndexRow]:
        with self._nodes.errors():
            return [row for row, _ in _fetch_stored(self._collection(ref), ref, ids)]

    def _parts(self, ref: IndexRef) -> list[Any]:
        """Return filters that split a generation into parts small enough for the server to compare with every row."""
        collection = self._collection(ref)
        key = (collection.name, ref.generation)
        if key not in self._part_edges:
            whole: Any = self._nodes.ask(lambda client: client.collections.use(collection.name).config.get())
            config = whole.vector_config["default"].vector_index_config
            parts = -(-self.count(ref) // max(1, int(config.flat_search_cutoff * _EXACT_PART_SHARE)))
            edges = np.linspace(0, BUCKETS, max(1, min(parts, BUCKETS)) + 1).astype(int).tolist()
            # Cached, because a count takes long where there are many rows.
            self._part_edges[key] = edges
        edges = self._part_edges[key]
        return [in_buckets(start, end) for start, end in zip(edges, edges[1:], strict=False)]


def _fetch_stored(collection: Any, ref: IndexRef, ids: Sequence[str]) -> list[tuple[IndexRow, Any]]:
    found = collection.query.fetch_objects(
        filters=has_chunk_ids(ids) & visible_at(ref.generation),
        limit=len(ids),
        include_vector=True,
        return_properties=ROW_PROPERTIES,
    ).objects
    return [(row_from(item), item.uuid) for item in found]


def _slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), _PAGE_ROWS):
        yield values[start : start + _PAGE_ROWS]


def _is_in_graph(collection: Any, vector: Vector, uuid: Any) -> bool:
    # The second search is for texts that are in many chunks: their vectors are all equally near.
    query = vector.tolist()
    for limit in (_PROBE_HITS, _MANY_PROBE_HITS):
        found = collection.query.near_vector(query, limit=limit, return_properties=[], return_metadata=["distance"])
        if any(item.uuid == uuid for item in found.objects):
            return True
        if len(found.objects) < limit or -found.objects[-1].metadata.distance < 0.9999:
            return False
    return False
