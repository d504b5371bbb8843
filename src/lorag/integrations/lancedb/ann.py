"""Updates that keep the vector index of a LanceDB table in step with its rows."""

import math
from typing import Any

VECTOR_INDEX = "vector_idx"
"""The name of the vector index."""

_TEXT_INDEX = "searchable_idx"

# Rows outside the index are scanned, so it is updated after several refreshes.
_MAX_SCANNED = 250
_MAX_SCANNED_SHARE = 0.025
# A table has a file for each refresh, and many small ones make it slow to open.
_MOST_FILES = 32
PROBES = 20
"""The partitions that a search looks into: recall@10 at 100k rows is 1.00 from 10 of 316 on."""

# k-means over 32 rows a partition in 10 rounds: recall@10 at 100k rows is 1.00 as with 256 and 50.
_SAMPLED_ROWS_PER_PARTITION = 32
_KMEANS_ROUNDS = 10


def update_indexes(table: Any, ann_from_rows: int) -> None:
    """Build or drop indexes so that searches of the newest version are fast.

    Below `ann_from_rows` there is no vector index, and every search is exact.
    """
    rows = table.count_rows()
    names = index_names(table)
    most = max(_MAX_SCANNED, int(rows * _MAX_SCANNED_SHARE))
    # A vector index is rebuilt and never extended: that would merge its partitions into a few, and then a search
    # compares with nearly every row.
    if VECTOR_INDEX in names and (rows < ann_from_rows or _scanned_rows(table, VECTOR_INDEX) > most):
        table.drop_index(VECTOR_INDEX)
        names.discard(VECTOR_INDEX)
    if _TEXT_INDEX in names:
        # Of an earlier version; words are indexed beside the store now.
        table.drop_index(_TEXT_INDEX)
    if VECTOR_INDEX not in names and table.stats()["fragment_stats"]["num_fragments"] > _MOST_FILES:
        table.optimize()
    if rows >= ann_from_rows and VECTOR_INDEX not in names:
        _build_vector_index(table, rows)


def index_names(table: Any) -> set[str]:
    """The names of the table's indexes."""
    return {index.name for index in table.list_indices()}


def _build_vector_index(table: Any, rows: int) -> None:
    from lancedb.index import IvfFlat

    config = IvfFlat(
        distance_type="cosine",
        num_partitions=max(1, math.isqrt(rows)),
        sample_rate=_SAMPLED_ROWS_PER_PARTITION,
        max_iterations=_KMEANS_ROUNDS,
    )
    table.create_index("vector", config=config, name=VECTOR_INDEX, replace=True)


def _scanned_rows(table: Any, index: str) -> int:
    stats = table.index_stats(index)
    return int(stats.num_unindexed_rows) if stats else 0
