"""Keys by which both stores compare values exactly, whatever characters the values hold."""

import json
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from lorag.digests import canonical_json, digest_of
from lorag.errors import IntegrityFailed
from lorag.retrieval.index.store import IndexRow, filter_pairs

KEY_LENGTH = 32
"""Hexadecimal digits of a key: 128 bits."""


# The chunks of a document share their metadata, so most values come many times in a row.
@lru_cache(maxsize=10_000)
def tag_of(key: str, value: str) -> str:
    """Return a key for one metadata value: letters and digits only, so no store trims, splits or quotes it."""
    return digest_of([key, value])[:KEY_LENGTH]


def tags_of(metadata: Mapping[str, str]) -> list[str]:
    """Return the tags of all metadata values, and of the items of those that are lists, sorted."""
    return sorted(tag_of(key, value) for key, value in filter_pairs(metadata))


def document_key_of(document_id: str) -> str:
    """Return a key for a document id, as `tag_of` does for a metadata value."""
    return digest_of(document_id)[:KEY_LENGTH]


def metadata_to_text(metadata: Mapping[str, str]) -> str:
    """Return the metadata as canonical JSON."""
    return canonical_json(dict(metadata))


def metadata_from_text(text: str, *, where: str) -> dict[str, str]:
    """The inverse of `metadata_to_text`; raises IntegrityFailed for anything else."""
    try:
        return {str(key): str(value) for key, value in json.loads(text).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise IntegrityFailed(
            "stored metadata is not a JSON object", where=where, do="run `lorag doctor`, or rebuild the index"
        ) from error


def is_same_row(row: IndexRow, stored: IndexRow | None) -> bool:
    """Whether `stored` equals `row` to the last character and bit."""
    return (
        stored is not None
        and stored.chunk.content_hash == row.chunk.content_hash
        and stored.fingerprint == row.fingerprint
        and stored.vector.tobytes() == np.asarray(row.vector, np.float32).tobytes()
    )
