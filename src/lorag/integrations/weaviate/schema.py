"""The layout of index rows in Weaviate: collections, objects, and the filters that select a generation."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from lorag.digests import digest_of
from lorag.integrations.row_keys import document_key_of, metadata_from_text, metadata_to_text, tag_of, tags_of
from lorag.knowledge.documents import Chunk
from lorag.params import IndexParams
from lorag.retrieval.index.store import Filter, IndexRow

if TYPE_CHECKING:
    from weaviate import WeaviateClient

LAYOUT = 1
"""A part of a collection's name: raise it when readers need other properties, so that a new one is made."""

BUCKETS = 1_024
"""The number of buckets: each chunk is in one by its id, so that an exact search can go through them in parts."""

CHUNK_PROPERTIES = ["chunk_id", "document_id", "context", "text", "metadata"]
ROW_PROPERTIES = [*CHUNK_PROPERTIES, "fingerprint"]
SPAN_PROPERTIES = ["since", "until"]

# Measured at 100k rows; see benchmarks/search_100k.py.
_EF_CONSTRUCTION = 128
_MAX_CONNECTIONS = 32
_EF = 160


def prefix_of(namespace: str) -> str:
    """Return the beginning of the names of a workspace's collections and aliases."""
    return f"Lorag_{namespace}_"


def alias_name(namespace: str, name: str) -> str:
    """Return the alias that points to the collection which was made durable last."""
    return f"{prefix_of(namespace)}{name}"


def collection_name(namespace: str, name: str, dimension: int) -> str:
    """Return the name of an index's collection."""
    return f"{prefix_of(namespace)}{name}_d{dimension}_v{LAYOUT}"


def create_collection(client: "WeaviateClient", collection: str, params: IndexParams) -> None:
    """Create an empty collection for vectors that lorag computes, compared by their dot product."""
    from weaviate.classes.config import (
        Configure,
        DataType,
        Property,
        ReplicationDeletionStrategy,
        Tokenization,
        VectorDistances,
    )

    def key(name: str, kind: DataType = DataType.TEXT) -> Property:
        tokenization = Tokenization.FIELD
        return Property(
            name=name, data_type=kind, tokenization=tokenization, index_filterable=True, index_searchable=False
        )

    def stored(name: str) -> Property:
        return Property(name=name, data_type=DataType.TEXT, index_filterable=False, index_searchable=False)

    def number(name: str) -> Property:
        return Property(name=name, data_type=DataType.INT, index_filterable=False, index_range_filters=True)

    client.collections.create(
        collection,
        description=describe_generations(()),
        properties=[
            *(key(name) for name in ("chunk_key", "document_key")),
            key("tags", DataType.TEXT_ARRAY),
            # Words are searched beside the server, which would count those of all generations.
            *(stored(name) for name in (*CHUNK_PROPERTIES, "content_hash", "fingerprint")),
            *(number(name) for name in ("since", "until", "bucket")),
        ],
        vector_config=Configure.Vectors.self_provided(
            vector_index_config=Configure.VectorIndex.hnsw(
                # Vectors are of unit length, so this is the cosine, and they stay as they were given.
                distance_metric=VectorDistances.DOT,
                ef_construction=_EF_CONSTRUCTION,
                max_connections=_MAX_CONNECTIONS,
                ef=_EF,
                # If a filter selects fewer rows, the server compares with each of them: an exact search.
                flat_search_cutoff=params.ann_from_rows,
            )
        ),
        # A node that comes back gets what it missed from the others; of two versions the later one wins.
        replication_config=Configure.replication(
            factor=params.replication_factor,
            async_enabled=params.replication_factor > 1,
            deletion_strategy=ReplicationDeletionStrategy.TIME_BASED_RESOLUTION,
        ),
        sharding_config=Configure.sharding(desired_count=params.shards),
    )


def describe_generations(generations: Sequence[int]) -> str:
    """Return a collection's description: its complete generations. The servers agree on it by consensus."""
    return f"lorag generations: {' '.join(str(generation) for generation in sorted(generations))}"


def described_generations(description: str | None) -> frozenset[int]:
    """The inverse of `describe_generations`; empty for another description."""
    match = re.fullmatch(r"lorag generations:((?: \d+)*) ?", description or "")
    return frozenset(int(number) for number in match[1].split()) if match else frozenset()


def chunk_key_of(chunk_id: str) -> str:
    """Return the key by which the objects of a chunk are found."""
    return digest_of(chunk_id)[:32]


def properties_of(row: IndexRow, since: int, until: int | None = None) -> dict[str, Any]:
    """Return the properties of a row that is visible from generation `since` on, and before `until` if that is given.

    An open object has no `until` at all. Closing it adds a property, which readers of earlier generations never notice.
    Replacing a value would hide the object from them for some milliseconds (seen in 25 of 1,059 reads).
    """
    chunk = row.chunk
    properties: dict[str, Any] = {
        "chunk_key": chunk_key_of(chunk.id),
        "document_key": document_key_of(chunk.document_id),
        "tags": tags_of(chunk.metadata),
        "context": chunk.context,
        "text": chunk.text,
        "chunk_id": chunk.id,
        "document_id": chunk.document_id,
        "metadata": metadata_to_text(chunk.metadata),
        "content_hash": chunk.content_hash,
        "fingerprint": row.fingerprint,
        "since": since,
        "bucket": crc32(chunk.id.encode("utf-8", "surrogatepass")) % BUCKETS,
    }
    return properties if until is None else {**properties, "until": until}


def chunk_from(properties: Any) -> Chunk:
    """Return the chunk of an object that was read with `CHUNK_PROPERTIES`."""
    chunk_id = str(properties["chunk_id"])
    return Chunk(
        id=chunk_id,
        document_id=str(properties["document_id"]),
        context=str(properties["context"]),
        text=str(properties["text"]),
        metadata=metadata_from_text(str(properties["metadata"]), where=f"chunk {chunk_id}"),
    )


def row_from(found: Any) -> IndexRow:
    """Return the row of an object that was read with `ROW_PROPERTIES` and its vector."""
    vector = np.array(found.vector["default"], dtype=np.float32)
    return IndexRow(chunk_from(found.properties), str(found.properties["fingerprint"]), vector)


def visible_at(generation: int) -> Any:
    """Return the filter for the objects of a generation."""
    from weaviate.classes.query import Filter as By

    return By.by_property("since").less_or_equal(generation) & By.not_(
        By.by_property("until").less_or_equal(generation)
    )


def is_visible(properties: Mapping[str, Any], generation: int) -> bool:
    """Whether an object with these properties belongs to a generation."""
    until = properties.get("until")
    return bool(properties["since"] <= generation and (until is None or generation < until))


def has_chunk_ids(ids: Sequence[str]) -> Any:
    """Return the filter for all objects of these chunks, of any generation."""
    from weaviate.classes.query import Filter as By

    return By.by_property("chunk_key").contains_any([chunk_key_of(chunk_id) for chunk_id in ids])


def in_buckets(start: int, end: int) -> Any:
    """Return the filter for the chunks of the buckets from `start` to before `end`."""
    from weaviate.classes.query import Filter as By

    return By.by_property("bucket").greater_or_equal(start) & By.by_property("bucket").less_than(end)


def matching(where: Filter, generation: int) -> Any:
    """Return the filter for the objects of a generation that a search may return."""
    from weaviate.classes.query import Filter as By

    condition = visible_at(generation)
    for key, value in where.metadata:
        condition = condition & By.by_property("tags").contains_any([tag_of(key, value)])
    if where.document_ids:
        keys = [document_key_of(document_id) for document_id in where.document_ids]
        condition = condition & By.by_property("document_key").contains_any(keys)
    return condition
