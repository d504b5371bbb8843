"""A cache of bytes by content key in one sqlite file, so that nothing is computed twice."""

import json
import logging
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from lorag.errors import StoreFailed

_LOG = logging.getLogger(__name__)
_FORMAT = 1
_LOCK_TIMEOUT_S = 60.0
_KEYS_A_QUERY = 10_000
_ROWS_A_TRANSACTION = 5_000
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

T = TypeVar("T")


class BlobCache:
    """A cache of values by (namespace, key); it may be deleted at any time, and drops damaged values without failing.

    One process may write while others read. A value with a wrong checksum counts as absent. A file that is no longer a
    database is moved aside to `<name>.damaged`, and a new one is started. A full disk, a lock held for a minute and a
    folder that cannot be written raise StoreFailed. Use a cache only from the thread that opened it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = self._mending(self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._connection.close()

    def get(self, namespace: str, key: str) -> bytes | None:
        """Return the value; None if the cache has none."""
        return self.get_many(namespace, [key]).get(key)

    def put(self, namespace: str, key: str, value: bytes) -> None:
        """Store one value; see `put_many`."""
        self.put_many(namespace, [(key, value)])

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the values that the cache has, by key."""
        return self._mending(lambda: self._read(namespace, keys))

    def put_many(self, namespace: str, values: Iterable[tuple[str, bytes]]) -> None:
        """Store (key, value) pairs in transactions of some thousand rows; an existing key gets the new value."""
        remaining = iter(values)
        while rows := list(islice(remaining, _ROWS_A_TRANSACTION)):
            self._mending(partial(self._write, namespace, rows))

    def erase(self, is_out: Callable[[str, str, bytes], bool], *, dry: bool) -> int:
        """Remove the entries that `is_out` names by namespace, key and value, down to the bytes of the file.

        Returns how many there are; if `dry`, they stay.
        """
        return self._mending(partial(self._erase, is_out, dry=dry))

    def _erase(self, is_out: Callable[[str, str, bytes], bool], *, dry: bool) -> int:
        rows = self._connection.execute("SELECT rowid, namespace, key, value FROM blobs")
        found = [rowid for rowid, namespace, key, value in rows if is_out(namespace, key, value)]
        if not dry:
            with _transaction(self._connection):
                self._connection.executemany("DELETE FROM blobs WHERE rowid = ?", ((rowid,) for rowid in found))
            for statement in ("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                self._connection.execute(statement)
        return len(found)

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)
        try:
            # WAL lets readers go on while one process writes; after a power failure the last writes may be gone.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            # Forgetting a document must not leave its text in free pages.
            connection.execute("PRAGMA secure_delete = ON")
            if not _is_current(connection):
                _create_table(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _read(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for start in range(0, len(keys), _KEYS_A_QUERY):
            rows = self._connection.execute(
                "SELECT key, checksum, value FROM blobs"
                " WHERE namespace = ? AND key IN (SELECT value FROM json_each(?))",
                (namespace, json.dumps(list(keys[start : start + _KEYS_A_QUERY]))),
            )
            found.update((key, value) for key, checksum, value in rows if checksum == _checksum(key, value))
        return found

    def _write(self, namespace: str, rows: Sequence[tuple[str, bytes]]) -> None:
        with _transaction(self._connection):
            self._connection.executemany(
                "INSERT OR REPLACE INTO blobs (namespace, key, checksum, value) VALUES (?, ?, ?, ?)",
                ((namespace, key, _checksum(key, value), value) for key, value in rows),
            )

    def _mending(self, action: Callable[[], T]) -> T:
        """Return the result of `action`, on a new file if this one turns out to be damaged."""
        try:
            return action()
        except sqlite3.DatabaseError as error:
            if _primary_code(error) not in _DAMAGED:
                raise self._failed(error) from error
            _LOG.warning("the cache %s is damaged (%s); it is moved aside and filled again", self._path, error)
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._set_aside()
            self._connection = self._open()
            return action()
        except (sqlite3.DatabaseError, OSError) as error:
            raise self._failed(error) from error

    def _set_aside(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        self._path.replace(self._path.with_name(f"{self._path.name}.damaged"))
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _failed(self, error: Exception) -> StoreFailed:
        return StoreFailed(
            f"the cache failed: {error}",
            where=str(self._path),
            do="free disk space or fix the folder's permissions, then run this again; the cache may be deleted",
        )


def _is_current(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == _FORMAT)


def _create_table(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        # Another process may have made it while this one waited for the lock.
        if _is_current(connection):
            return
        connection.execute("DROP TABLE IF EXISTS blobs")
        connection.execute(
            "CREATE TABLE blobs (namespace TEXT NOT NULL, key TEXT NOT NULL, checksum INTEGER NOT NULL,"
            " value BLOB NOT NULL, UNIQUE (namespace, key))"
        )
        connection.execute(f"PRAGMA user_version = {_FORMAT}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE waits for the other writer at the start; a later upgrade of a read lock would fail at once.
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _checksum(key: str, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(key.encode("utf-8", "surrogatepass")))


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
