"""A proof that rows of a LanceDB table are stored as written and found by their own vectors."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lorag.integrations.lancedb.ann import PROBES, VECTOR_INDEX, index_names
from lorag.integrations.lancedb.rows import ROW_COLUMNS, quoted, rows_from
from lorag.integrations.row_keys import is_same_row
from lorag.retrieval.index.store import IndexRow

_SLICE_ROWS = 1_000


def missing_ids(table: Any, rows: Sequence[IndexRow], *, intact: bool = False) -> set[str]:
    """Return the ids of `rows` that the table does not hold as they are, or that its vector index does not bring back.

    A flat search compares with every row, so without a vector index reading a row back is proof enough. If the rows are
    known to be `intact`, even that is not needed.
    """
    altered = set() if intact else _altered(table, rows)
    stored = [row for row in rows if row.chunk.id not in altered]
    return altered | (_not_found(table, stored) if VECTOR_INDEX in index_names(table) else set())


def select_ids(table: Any, ids: Iterable[str], columns: Sequence[str], *, with_row_id: bool = False) -> Any:
    """Return an Arrow table of the rows with these ids, in any order."""
    wanted = sorted(set(ids)) or [""]
    parts = [
        table.search()
        .where(f"id IN ({quoted(wanted[start : start + _SLICE_ROWS])})")
        .with_row_id(with_row_id)
        .select(list(columns))
        .to_arrow()
        for start in range(0, len(wanted), _SLICE_ROWS)
    ]
    return pa.concat_tables(parts)


def _altered(table: Any, rows: Sequence[IndexRow]) -> set[str]:
    """Return the ids of rows that are not stored as they are."""
    found = {row.chunk.id: row for row in rows_from(select_ids(table, (row.chunk.id for row in rows), ROW_COLUMNS))}
    return {row.chunk.id for row in rows if not is_same_row(row, found.get(row.chunk.id))}


def _not_found(table: Any, rows: Sequence[IndexRow]) -> set[str]:
    """Return the ids of rows that the approximate index does not bring back for their own vectors.

    It probes some of the partitions that an ordinary search probes, so a row found here is found there.
    """
    missed = [row for start in range(0, len(rows), 100) for row in _missed(table, rows[start : start + 100], 2, 10)]
    # The second search is for texts that are in many chunks: their vectors are all equally near.
    return {row.chunk.id for row in missed if _missed(table, [row], PROBES, 2_000)}


def _missed(table: Any, rows: Sequence[IndexRow], probes: int, k: int) -> list[IndexRow]:
    # A list of one vector would be taken for a single query, whose answer has no query_index.
    vectors = [np.asarray(row.vector, np.float32) for row in [*rows, rows[0]]]
    search = table.search(vectors, vector_column_name="vector").distance_type("cosine").nprobes(probes)
    found = search.limit(k).select(["id", "_distance"]).to_arrow()
    pairs = set(zip(found["query_index"].to_pylist(), found["id"].to_pylist(), strict=True))
    return [row for number, row in enumerate(rows) if (number, row.chunk.id) not in pairs]
