"""Digests that are the same on every machine."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

# Created once: it costs as much as encoding a chunk.
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def sha256_hex(data: bytes) -> str:
    """Return the lower-case hexadecimal sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys, no spaces and unescaped Unicode: equal values give equal text."""
    return _CANONICAL.encode(value)


def digest_of(value: Any) -> str:
    """Return the sha256 of a value's canonical JSON; lone surrogates are kept."""
    return sha256_hex(canonical_json(value).encode("utf-8", "surrogatepass"))


def digest_of_lines(lines: Iterable[str]) -> str:
    """Return the sha256 of the lines in the given order, each ended by a line feed."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
