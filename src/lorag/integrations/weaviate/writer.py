"""A writer of generations into a Weaviate collection, which does not disturb those that are read."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from lorag.counted import counted
from lorag.errors import StoreFailed
from lorag.integrations.weaviate.schema import (
    BUCKETS,
    ROW_PROPERTIES,
    SPAN_PROPERTIES,
    has_chunk_ids,
    in_buckets,
    properties_of,
    row_from,
    visible_at,
)
from lorag.retrieval.index.store import IndexRow, Progress

_BATCH_ROWS = 200
_BATCH_THREADS = 2
_ATTEMPTS = 5
_BUCKETS_AT_ONCE = 16
# The server's default limit of one query.
_MOST_ROWS = 10_000
_MAX_WAIT_S = 8
# "read-only" is not among them: a shard is read-only for a moment while its settings change.
_LASTING = ("invalid", "vector length", "dimension", "no such", "unauth", "forbidden", "disk")


class _MayPass(Exception):
    """A refusal of objects by the server, for a reason that another attempt may not meet."""


class WeaviateWriter:
    """The steps of one writer towards a generation; each may be repeated."""

    def __init__(self, collection: Any) -> None:
        self._collection = collection

    def undo(self, generation: int) -> None:
        """Undo what an unfinished writer of this generation, or of a later one, left."""
        from weaviate.classes.query import Filter as By

        self._delete(By.by_property("since").greater_or_equal(generation))
        closed = By.by_property("until").greater_or_equal(generation)
        self._change(closed, lambda row, since: self._object(row, since))

    def branch(self, base: int, generation: int, *, without: Collection[str]) -> None:
        """Make the open objects those of `base`, except for chunks in `without`, if other generations are between.

        That is the case after a rollback. The later generations stay as they are.
        """
        from weaviate.classes.query import Filter as By

        later = By.by_property("since").greater_than(base) & visible_at(generation)
        self._change(later, lambda row, since: self._object(row, since, generation))
        ended = visible_at(base) & By.by_property("until").less_or_equal(generation)
        for start in range(0, BUCKETS, _BUCKETS_AT_ONCE):
            found = self._read(ended & in_buckets(start, start + _BUCKETS_AT_ONCE), limit=_MOST_ROWS)
            self.insert([row for row, _, _ in found if row.chunk.id not in without], generation, None)

    def close(self, ids: Sequence[str], generation: int) -> None:
        """End these chunks' open objects: `generation` is the first that does not see them."""
        from weaviate.classes.query import Filter as By

        before = visible_at(generation) & By.by_property("since").less_than(generation)
        for start in range(0, len(ids), _BATCH_ROWS):
            some = has_chunk_ids(ids[start : start + _BATCH_ROWS])
            self._change(some & before, lambda row, since: self._object(row, since, generation))

    def close_all(self, generation: int) -> None:
        """End all open objects: `generation` is the first that does not see them."""
        self._change(visible_at(generation), lambda row, since: self._object(row, since, generation))

    def insert(self, rows: Sequence[IndexRow], generation: int, progress: Progress | None) -> None:
        """Add rows that are visible from `generation` on."""
        parts = [rows[start : start + _BATCH_ROWS] for start in range(0, len(rows), _BATCH_ROWS)]
        with ThreadPoolExecutor(_BATCH_THREADS) as pool:
            for count in pool.map(lambda part: self._put([self._object(row, generation) for row in part]), parts):
                if progress:
                    progress(count)

    def replace(self, rows: Sequence[IndexRow], generation: int) -> None:
        """Delete the rows' objects in `generation` and insert them again, with the span that they had."""
        for start in range(0, len(rows), _BATCH_ROWS):
            part = rows[start : start + _BATCH_ROWS]
            picked = has_chunk_ids([row.chunk.id for row in part]) & visible_at(generation)
            spans = {row.chunk.id: (since, until) for row, since, until in self._read(picked)}
            self._delete(picked)
            self._put([self._object(row, *spans.get(row.chunk.id, (generation, None))) for row in part])

    def drop_all_but(self, generations: Collection[int]) -> None:
        """Delete the objects that none of these generations sees."""
        from weaviate.classes.query import Filter as By

        kept = sorted(generations)
        self._delete(By.by_property("until").less_or_equal(kept[0]))
        self._delete(By.by_property("since").greater_than(kept[-1]))
        for earlier, later in zip(kept, kept[1:], strict=False):
            self._delete(By.by_property("since").greater_than(earlier) & By.by_property("until").less_or_equal(later))

    def _object(self, row: IndexRow, since: int, until: int | None = None) -> Any:
        from weaviate.classes.data import DataObject

        vector = np.asarray(row.vector, np.float32).tolist()
        uuid = object_id(self._collection.name, row.chunk.id, since)
        return DataObject(properties=properties_of(row, since, until), uuid=uuid, vector=vector)

    def _read(self, condition: Any, limit: int = _BATCH_ROWS) -> list[tuple[IndexRow, int, int | None]]:
        found = self._collection.query.fetch_objects(
            filters=condition,
            limit=limit,
            include_vector=True,
            return_properties=[*ROW_PROPERTIES, *SPAN_PROPERTIES],
        ).objects
        return [(row_from(item), int(item.properties["since"]), item.properties.get("until")) for item in found]

    def _change(self, condition: Any, changed: Callable[[IndexRow, int], Any]) -> None:
        """Put objects again with another span, until `condition` finds none."""
        while found := self._read(condition):
            self._put([changed(row, since) for row, since, _ in found])

    def _put(self, objects: Sequence[Any]) -> int:
        from weaviate.exceptions import WeaviateInsertManyAllFailedError

        left = list(objects)

        def attempt() -> None:
            nonlocal left
            try:
                result = self._collection.data.insert_many(left)
                errors = {number: error.message for number, error in result.errors.items()}
            except WeaviateInsertManyAllFailedError as error:
                errors = dict.fromkeys(range(len(left)), str(error))
            if lasting := [text for text in errors.values() if any(sign in text.lower() for sign in _LASTING)]:
                raise StoreFailed(
                    f"Weaviate refused {len(lasting)} of {counted(len(left), 'object')}: "
                    f"{' '.join(lasting[0].split())[:300]}",
                    where=self._collection.name,
                    do="look at the server's log and its free disk space, then run this again",
                )
            left = [left[number] for number in errors]
            if left:
                raise _MayPass(next(iter(errors.values())))

        self._retrying(attempt)
        return len(objects)

    def _delete(self, condition: Any) -> None:
        def attempt() -> None:
            # One call deletes at most what the server allows for one query, 10,000 by default.
            while (result := self._collection.data.delete_many(where=condition)).matches:
                if result.failed:
                    raise _MayPass(f"not deleted: {counted(result.failed, 'object')}")

        self._retrying(attempt)

    def _retrying(self, attempt: Callable[[], None]) -> None:
        from weaviate.exceptions import WeaviateQueryError

        # Every failed gRPC call becomes a WeaviateQueryError; a call goes to another node after a while.
        passing = (_MayPass, WeaviateQueryError)
        retrying = Retrying(
            retry=retry_if_exception_type(passing),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(multiplier=0.5, max=_MAX_WAIT_S),
            reraise=True,
        )
        try:
            retrying(attempt)
        except _MayPass as error:
            raise StoreFailed(
                f"Weaviate did not take all objects in {_ATTEMPTS} attempts: {' '.join(str(error).split())[:300]}",
                where=self._collection.name,
                do="look at the server's log, then run this again",
            ) from error


def object_id(collection: str, chunk_id: str, since: int) -> UUID:
    """Return the id of an object: a chunk that comes back later is another object."""
    return uuid5(NAMESPACE_URL, f"{collection}\n{since}\n{chunk_id}")
