"""Index rows as Arrow batches for LanceDB, and back."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lorag.integrations.row_keys import metadata_from_text, metadata_to_text, tag_of, tags_of
from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import Filter, IndexRow, Progress

CHUNK_COLUMNS = ["id", "document_id", "context", "searchable", "metadata"]
ROW_COLUMNS = [*CHUNK_COLUMNS, "fingerprint", "vector"]
_BATCH_ROWS = 2_000


def schema_of(dimension: int) -> Any:
    """Return the Arrow schema of a table; `searchable` is context and text in one."""
    texts = [pa.field(name, pa.string(), nullable=False) for name in CHUNK_COLUMNS]
    return pa.schema(
        [
            *texts,
            pa.field("tags", pa.list_(pa.string()), nullable=False),
            pa.field("content_hash", pa.string(), nullable=False),
            pa.field("fingerprint", pa.string(), nullable=False),
            pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False),
        ]
    )


def batches_of(rows: Sequence[IndexRow], dimension: int, progress: Progress | None) -> Iterator[Any]:
    """Yield record batches of `rows`; `progress` is called for each batch after it was taken."""
    for start in range(0, len(rows), _BATCH_ROWS):
        part = rows[start : start + _BATCH_ROWS]
        yield _batch_of(part, dimension)
        if progress:
            progress(len(part))


def _batch_of(rows: Sequence[IndexRow], dimension: int) -> Any:
    vectors = np.ascontiguousarray([row.vector for row in rows], dtype=np.float32)
    columns = [
        [row.chunk.id for row in rows],
        [row.chunk.document_id for row in rows],
        [row.chunk.context for row in rows],
        [row.chunk.embedded_text for row in rows],
        [metadata_to_text(row.chunk.metadata) for row in rows],
        [tags_of(row.chunk.metadata) for row in rows],
        [row.chunk.content_hash for row in rows],
        [row.fingerprint for row in rows],
        pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), dimension),
    ]
    schema = schema_of(dimension)
    return pa.record_batch(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema
    )


def chunks_from(table: Any) -> list[Chunk]:
    """Return the chunks of an Arrow table that has `CHUNK_COLUMNS`."""
    return [
        Chunk(
            id=id_,
            document_id=document_id,
            context=context,
            text=searchable[len(context) + 1 :] if context else searchable,
            metadata=metadata_from_text(metadata, where=f"chunk {id_}"),
        )
        for id_, document_id, context, searchable, metadata in zip(
            *(table[name].to_pylist() for name in CHUNK_COLUMNS), strict=True
        )
    ]


def rows_from(table: Any) -> list[IndexRow]:
    """Return the rows of an Arrow table that has `ROW_COLUMNS`, in its order; vectors bit for bit."""
    vectors = vectors_from(table)
    fingerprints = table["fingerprint"].to_pylist()
    return [IndexRow(*parts) for parts in zip(chunks_from(table), fingerprints, vectors, strict=True)]


def vectors_from(table: Any) -> Any:
    """Return the vectors of an Arrow table, shape [rows, dimension]."""
    column = table["vector"].combine_chunks()
    return column.flatten().to_numpy(zero_copy_only=False).reshape(table.num_rows, column.type.list_size)


def quoted(values: Sequence[str]) -> str:
    """Return SQL text literals, separated by commas."""
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values)


def predicate_of(where: Filter) -> str:
    """Return the SQL condition of a filter; empty for no restriction."""
    conditions = [f"array_has(tags, '{tag_of(key, value)}')" for key, value in where.metadata]
    if where.document_ids:
        conditions.append(f"document_id IN ({quoted(where.document_ids)})")
    return " AND ".join(conditions)
