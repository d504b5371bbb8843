"""The keys of the service: the owner's, and those of a file that holds hashes only."""

import hashlib
import hmac
import json
import re
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lorag.errors import NotThere, ParamsError
from lorag.releases.durable import open_new
from lorag.use_cases.serve.access import EVERYTHING, Access
from lorag.use_cases.serve.stored_keys import StoredKey, read_keys

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PREFIX = "lorag-"
_LEAST_KEY = 16


def add_key(file: Path, name: str, where: Mapping[str, str]) -> str:
    """Store the hash of a new key and return the key, which nothing can show a second time.

    Raises ParamsError for a name that is taken or not made of letters, digits, dots, hyphens and underscores.
    """
    if not _NAME.fullmatch(name):
        raise ParamsError(f"{name!r} is no name for a key", where="NAME", do="use letters, digits, . _ and -")
    known = read_keys(file)
    if name == EVERYTHING.name or any(key.name == name for key in known):
        raise ParamsError(f"there is a key {name!r} already", where="NAME", do="remove it first, or take another name")
    key = _PREFIX + secrets.token_urlsafe(32)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    _write(file, [*known, StoredKey(name, _hash(key), tuple(sorted(where.items())), created)])
    return key


def remove_key(file: Path, name: str) -> StoredKey:
    """Remove a key, from now on; raises NotThere for an unknown name."""
    known = read_keys(file)
    for key in known:
        if key.name == name:
            _write(file, [other for other in known if other is not key])
            return key
    raise NotThere(f"no key {name!r}", where=file.name, do="`lorag keys list` lists them")


def owner_key(given: str | None, where: str, file: Path) -> str:
    """Return the key that reads everything: the given one, else that of the file, which is made with a new key once.

    `where` names what gave the key. Raises ParamsError for a key that can be guessed.
    """
    key, source = given or "", where
    if not key:
        with suppress(FileNotFoundError):
            key, source = file.read_text(encoding="utf-8", errors="replace").strip(), str(file)
    if not key:
        key = secrets.token_urlsafe(32)
        _write_text(file, key + "\n")
    if len(key) < _LEAST_KEY:
        do = "take a random one, or leave it out and get one"
        raise ParamsError(f"the key has fewer than {_LEAST_KEY} characters", where=source, do=do)
    return key


@dataclass(slots=True)
class KeyRing:
    """The keys that are valid now: `owner`, which reads everything, and those of `file`, read again when it changes."""

    owner: str | None
    file: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_at: tuple[int, int] | None = None
    _keys: list[StoredKey] = field(default_factory=list)

    def find(self, key: str) -> Access | None:
        """Return the access of a key, None for an unknown one, which takes equally long whichever it is.

        Raises IntegrityFailed if the file is damaged; the owner does not depend on it.
        """
        given = _hash(key)
        if self.owner is not None and hmac.compare_digest(given, _hash(self.owner)):
            return EVERYTHING
        found: Access | None = None
        for stored in self._current():
            if hmac.compare_digest(given, stored.sha256):
                found = stored.access
        return found

    def _current(self) -> list[StoredKey]:
        with self._lock:
            try:
                status = self.file.stat()
                read_at = (status.st_mtime_ns, status.st_ino)
            except OSError:
                read_at = None
            if read_at != self._read_at:
                self._keys = read_keys(self.file)
                self._read_at = read_at
            return self._keys


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _write(file: Path, keys: list[StoredKey]) -> None:
    values = [{**key.to_json(), "sha256": key.sha256} for key in keys]
    write_private(file, {"keys": values})


def write_private(path: Path, value: Mapping[str, Any]) -> None:
    """Replace `path` by a file that nobody else can read, not even while it is written."""
    _write_text(path, json.dumps(value))


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with open_new(temporary, 0o600) as file:
        file.write(text.encode())
    temporary.replace(path)
