"""The keys of the service in their file, which holds no key: names, hashes, and what each may read."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.errors import IntegrityFailed
from lorag.use_cases.serve.access import Access


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key by the sha256 of its 256 random bits, which nobody can guess or reverse, and what it may read."""

    name: str
    sha256: str
    where: tuple[tuple[str, str], ...]
    created_utc: str

    @property
    def access(self) -> Access:
        """What the caller with this key may read."""
        return Access(self.name, self.where)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, without the hash."""
        return {"name": self.name, "where": dict(self.where), "created_utc": self.created_utc}


def read_keys(file: Path) -> list[StoredKey]:
    """Return the keys of the file, none if it does not exist; raises IntegrityFailed if it is damaged."""
    try:
        values = json.loads(file.read_text(encoding="utf-8"))["keys"]
        return [StoredKey(v["name"], v["sha256"], tuple(sorted(v["where"].items())), v["created_utc"]) for v in values]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFailed(
            f"the keys cannot be read: {error!r}", where=str(file), do="remove the file and add the keys again"
        ) from error
