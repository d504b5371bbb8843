"""The embedded vector store: a LanceDB table for each index name, a table version for each generation."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from lorag.errors import IntegrityFailed, LoragError, StoreFailed
from lorag.failpoints import reach
from lorag.integrations.lancedb.ann import PROBES, update_indexes
from lorag.integrations.lancedb.files import drop_manifests, import_lancedb, set_aside_broken_manifests
from lorag.integrations.lancedb.probe import missing_ids, select_ids
from lorag.integrations.lancedb.rows import (
    CHUNK_COLUMNS,
    ROW_COLUMNS,
    batches_of,
    chunks_from,
    predicate_of,
    quoted,
    rows_from,
    schema_of,
)
from lorag.integrations.lancedb.sums import altered_files, altered_files_of, sums_file, write_sums
from lorag.integrations.word_files import WordFiles
from lorag.knowledge.documents import Chunk
from lorag.params import StoreKind
from lorag.releases.durable import sync_tree
from lorag.retrieval.index.store import Filter, Hit, IndexEntry, IndexRef, IndexRow, Progress, Vector

_SLICE_ROWS = 1_000
_DELETED_AT_ONCE = 5_000
_OPEN_TABLES = 8
_SOURCE_PLACE = re.compile(r",? ?/\S+\.rs:\d+(:\d+)?")
_AGE_OF_NO_VERSION = timedelta(days=36_500)


class LanceDbIndex:
    """A store of generations as table versions below `folder`; readers pin the version that their ref names.

    The words of the generations are in the folder `words`, or below `folder`.
    """

    def __init__(self, folder: Path, ann_from_rows: int, *, words: Path | None = None) -> None:
        self._folder = folder
        self._ann_from_rows = ann_from_rows
        self._words = WordFiles(words or folder / "words")
        self._connection: Any = None
        self._pinned: dict[tuple[str, int], Any] = {}
        self._filled: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

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
        """See `IndexStore`; restoring the base's version hides all versions after it."""
        with self._errors(name, StoreFailed):
            dimension = len(add[0].vector) if add else base.dimension if base else 0
            if base is not None and (base.name != name or (base.dimension != dimension and not self.count(base))):
                base = None
            if base is None:
                table = self._created(name, dimension)
            else:
                _check_dimension(base, dimension)
                table = self._restored(base)
                _delete(table, [*remove, *(row.chunk.id for row in add)])
                reach("apply.deleted")
            if add:
                _insert(table, add, dimension, progress)
                reach("apply.inserted")
            update_indexes(table, self._ann_from_rows)
            ref = IndexRef(StoreKind.LANCEDB, name, generation, table.version, dimension)
            self._words.write(
                ref, base, [row.chunk for row in add], remove, lambda: self.chunks(base, Filter()) if base else ()
            )
            return ref

    def entries(self, ref: IndexRef) -> dict[str, IndexEntry]:
        """See `IndexStore`."""
        with self._errors(ref.name, IntegrityFailed):
            columns = ["id", "document_id", "content_hash", "fingerprint"]
            found = self._pin(ref).search().select(columns).to_arrow()
            values = (found[column].to_pylist() for column in columns)
            return {id_: IndexEntry(*entry) for id_, *entry in zip(*values, strict=True)}

    def rows(self, ref: IndexRef, ids: Sequence[str] | None = None) -> Iterator[IndexRow]:
        """See `IndexStore`."""
        with self._errors(ref.name, IntegrityFailed):
            table = self._pin(ref)
            if ids is None:
                found = table.search().with_row_id(True).select(["id"]).to_arrow()
            else:
                found = select_ids(table, ids, ["id"], with_row_id=True)
            pairs = zip(found["id"].to_pylist(), found["_rowid"].to_pylist(), strict=True)
            row_ids = [row_id for _, row_id in sorted(pairs)]
        for start in range(0, len(row_ids), _SLICE_ROWS):
            with self._errors(ref.name, IntegrityFailed):
                part = table.take_row_ids(row_ids[start : start + _SLICE_ROWS]).select(ROW_COLUMNS).to_arrow()
                slice_ = sorted(rows_from(part), key=lambda row: row.chunk.id)
            yield from slice_

    def chunks(self, ref: IndexRef, where: Filter) -> list[Chunk]:
        """See `IndexStore`."""
        with self._errors(ref.name, IntegrityFailed):
            search = self._pin(ref).search()
            predicate = predicate_of(where)
            search = search.where(predicate) if predicate else search
            return sorted(chunks_from(search.select(CHUNK_COLUMNS).to_arrow()), key=lambda chunk: chunk.id)

    def count(self, ref: IndexRef, *, expected: int | None = None) -> int:
        """See `IndexStore`; it reads a column of every file, and looks into the text index."""
        with self._errors(ref.name, IntegrityFailed):
            count = int(self._pin(ref).count_rows("id != ''"))
        self.search_text(ref, "a", 1)
        return count

    def altered_files(self, ref: IndexRef) -> list[str]:
        """See `IndexStore`."""
        with self._errors(ref.name, IntegrityFailed):
            return altered_files_of(self._path(ref.name), ref.version)

    def search_vector(
        self, ref: IndexRef, vector: Vector, k: int, *, where: Filter = Filter(), exact: bool = False
    ) -> list[Hit]:
        """See `IndexStore`; with a filter the search is exact, because a few partitions may hold no such chunk."""
        with self._errors(ref.name, IntegrityFailed):
            table = self._pin(ref)
            # A generation never changes, and counting takes as long as a third of the search.
            if (ref.name, ref.version) not in self._filled:
                if not table.count_rows():
                    return []
                self._filled.add((ref.name, ref.version))
            search = table.search(np.asarray(vector, np.float32), vector_column_name="vector").distance_type("cosine")
            predicate = predicate_of(where)
            search = search.where(predicate, prefilter=True) if predicate else search
            search = search.bypass_vector_index() if predicate or exact else search.nprobes(PROBES)
            found = search.limit(k).select([*CHUNK_COLUMNS, "_distance"]).to_arrow()
            return _hits(found, 1.0 - found["_distance"].to_numpy())

    def search_text(self, ref: IndexRef, query: str, k: int, *, where: Filter = Filter()) -> list[Hit]:
        """See `IndexStore`."""
        with self._errors(ref.name, IntegrityFailed):
            ranked = self._words.rank(ref, query, k, where, lambda: self.chunks(ref, Filter()))
            found = select_ids(self._pin(ref), (chunk_id for chunk_id, _ in ranked), CHUNK_COLUMNS)
            by_id = {chunk.id: chunk for chunk in chunks_from(found)}
            return [Hit(by_id[chunk_id], score) for chunk_id, score in ranked if chunk_id in by_id]

    def unreachable(
        self, ref: IndexRef, rows: Sequence[IndexRow], *, intact: bool = False, progress: Progress | None = None
    ) -> list[str]:
        """See `IndexStore`.

        A flat search compares with every row, so reading a row back as it was written proves that it is found. With an
        approximate index each row is also searched for.
        """
        missing: list[str] = []
        with self._errors(ref.name, IntegrityFailed):
            table = self._pin(ref)
            for start in range(0, len(rows), _SLICE_ROWS):
                part = rows[start : start + _SLICE_ROWS]
                gone = missing_ids(table, part, intact=intact)
                missing.extend(row.chunk.id for row in part if row.chunk.id in gone)
                if progress:
                    progress(len(part))
        return missing

    def mend(self, ref: IndexRef, rows: Sequence[IndexRow]) -> IndexRef:
        """See `IndexStore`."""
        return self.write_generation(ref, ref.name, ref.generation, rows, ())

    def make_durable(self, ref: IndexRef) -> None:
        """See `IndexStore`; LanceDB itself never calls fsync."""
        with self._errors(ref.name, StoreFailed):
            write_sums(self._path(ref.name))
            sync_tree(self._path(ref.name))
            self._words.make_durable(ref)

    def drop_all_but(self, keep: Sequence[IndexRef]) -> None:
        """See `IndexStore`."""
        with self._errors("all tables", StoreFailed):
            self.close()
            for name in self._names():
                versions = {ref.version for ref in keep if ref.name == name}
                if versions:
                    self._drop_versions(name, versions)
                    write_sums(self._path(name))
                else:
                    sums_file(self._path(name)).unlink(missing_ok=True)
                    self._connect().drop_table(name)
            self._words.drop_all_but(keep)

    def check_words(self, ref: IndexRef) -> None:
        """See `IndexStore`."""
        self._words.check(ref, self.entries(ref))

    def close(self) -> None:
        """See `IndexStore`."""
        with self._lock:
            self._pinned.clear()
            self._filled.clear()
            self._connection = None
        self._words.close()

    def _connect(self) -> Any:
        if self._connection is None:
            # Here and not earlier, so that `lorag --help` does not wait for it.
            lancedb = import_lancedb()
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = lancedb.connect(str(self._folder))
        return self._connection

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lance"

    def _names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.lance"))

    def _pin(self, ref: IndexRef) -> Any:
        key = (ref.name, ref.version)
        with self._lock:
            table = self._pinned.pop(key, None)
            if table is None:
                table = self._open(ref)
            self._pinned[key] = table
            while len(self._pinned) > _OPEN_TABLES:
                self._pinned.pop(next(iter(self._pinned)))
            return table

    def _open(self, ref: IndexRef) -> Any:
        with self._errors(f"{ref.name} version {ref.version}", IntegrityFailed):
            try:
                return self._checked_out(ref)
            except (ValueError, RuntimeError, OSError):
                if not self._set_aside_broken(ref.name):
                    raise
            return self._checked_out(ref)

    def _set_aside_broken(self, name: str) -> bool:
        # A manifest of zeros even opens, as a table without columns.
        table = self._path(name)
        altered = {Path(each).name for each in altered_files(table) if each.startswith("_versions/")}
        found = set_aside_broken_manifests(table, altered) > 0
        if found:
            self._connection = None
        return found

    def _checked_out(self, ref: IndexRef) -> Any:
        table = self._connect().open_table(ref.name)
        table.checkout(ref.version)
        dimension = table.schema.field("vector").type.list_size
        # An index that was always empty has no dimension.
        if dimension != max(1, ref.dimension):
            raise IntegrityFailed(
                f"vectors of {dimension} dimensions, expected {ref.dimension}",
                where=f"{ref.name} version {ref.version}",
                do="run `lorag doctor`",
            )
        return table

    def _restored(self, base: IndexRef) -> Any:
        self._set_aside_broken(base.name)
        table = self._open(base)
        table.restore()
        table.checkout_latest()
        return table

    def _created(self, name: str, dimension: int) -> Any:
        self._set_aside_broken(name)
        return self._connect().create_table(name, schema=schema_of(max(1, dimension)), mode="overwrite")

    def _drop_versions(self, name: str, versions: set[int]) -> None:
        self._set_aside_broken(name)
        table = self._connect().open_table(name)
        # The newest manifest stays, so that no later version takes its number. Its rows are deleted, because the
        # client cleans up only after it has merged files and extended indexes, and so it finds none.
        table.delete("true")
        newest = table.version
        reach("publish.deleted")
        drop_manifests(self._path(name), versions | {newest})
        # A connection remembers manifests, and would protect the files that they name.
        self._connection = None
        table = self._connect().open_table(name)
        table.optimize(cleanup_older_than=_AGE_OF_NO_VERSION, delete_unverified=True)

    @contextmanager
    def _errors(self, where: str, kind: type[LoragError]) -> Iterator[None]:
        try:
            yield
        except LoragError:
            raise
        except OSError as error:
            raise StoreFailed(f"LanceDB: {error}", where=where, do="free disk space or fix its permissions") from error
        except (RuntimeError, ValueError, KeyError) as error:
            what = f"LanceDB: {_SOURCE_PLACE.sub('', str(error)).splitlines()[0][:300]}"
            if any(sign in str(error) for sign in ("No space left", "Permission denied", "os error", "Read-only")):
                raise StoreFailed(what, where=where, do="free disk space or fix its permissions") from error
            do = "run `lorag doctor`; `lorag refresh --rebuild` rebuilds the index"
            raise kind(what, where=where, do=do) from error


def _check_dimension(base: IndexRef, dimension: int) -> None:
    if base.dimension != dimension:
        raise StoreFailed(
            f"vectors of {dimension} dimensions do not fit {base.dimension}", where=base.name, do="use a new index name"
        )


def _delete(table: Any, ids: Sequence[str]) -> None:
    # An id may be there twice: to be removed, and to be written again.
    distinct = list(dict.fromkeys(ids))
    for start in range(0, len(distinct), _DELETED_AT_ONCE):
        table.delete(f"id IN ({quoted(distinct[start : start + _DELETED_AT_ONCE])})")


def _insert(table: Any, rows: Sequence[IndexRow], dimension: int, progress: Progress | None) -> None:
    import pyarrow as pa

    batches = batches_of(rows, dimension, progress)
    table.add(pa.RecordBatchReader.from_batches(schema_of(dimension), batches))


def _hits(found: Any, scores: Any) -> list[Hit]:
    pairs = zip(chunks_from(found), scores.tolist(), strict=True)
    return sorted((Hit(chunk, score) for chunk, score in pairs), key=lambda hit: (-hit.score, hit.chunk.id))
