"""Files that may hold a forgotten document: they are read whatever their kind, and what holds it is removed."""

import gzip
import io
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from lorag.errors import StoreFailed
from lorag.knowledge.remains import Remains
from lorag.releases.durable import open_new, sync_path

FORGOTTEN = "(forgotten)"
"""What stands in a database in place of a text that was removed."""

_DATABASE = b"SQLite format 3\x00"
_BESIDE = ("-wal", "-shm", "-journal")
_LOCK_TIMEOUT_S = 60.0
_DEEPEST = 2


def erase_below(
    folder: Path,
    remains: Remains,
    *,
    dry: bool,
    spare: Callable[[Path], bool] = lambda path: False,
    whole: bool = False,
) -> int:
    """Remove what holds the document from every file below a folder, or from a file; return how many items did.

    An item is a line of a JSON-lines file, unless `whole`, a value in an SQLite database, or else a whole file. `spare`
    names what is not looked at. If `dry`, items are only counted. Raises StoreFailed for a database that others hold.
    """
    return sum(_erase(path, remains, dry=dry, whole=whole) for path in files_below(folder) if not spare(path))


def files_below(folder: Path) -> list[Path]:
    """Return the plain files below a folder, or the file itself; no link is followed."""
    if folder.is_file() and not folder.is_symlink():
        return [folder]
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def texts_of(data: bytes, depth: int = 0) -> Iterator[str]:
    """Yield the texts of a file's bytes: archives are opened, and of model files only the header is read."""
    if depth < _DEEPEST and data.startswith(b"\x1f\x8b"):
        try:
            yield from texts_of(gzip.decompress(data), depth + 1)
        except (OSError, EOFError, zlib.error):
            pass
    elif depth < _DEEPEST and data.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield "\n".join(archive.namelist())
                for name in archive.namelist():
                    yield from texts_of(archive.read(name), depth + 1)
        except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, NotImplementedError):
            pass
    elif is_tensors(data):
        yield data[8 : 8 + int.from_bytes(data[:8], "little")].decode("utf-8", "replace")
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")):
        yield data.decode("utf-16", "replace")
    else:
        yield data.decode("utf-8", "replace")


def is_tensors(data: bytes) -> bool:
    """Whether these are the first bytes, or all bytes, of a file of safetensors."""
    return data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 100_000_000


def hold(path: Path, remains: Remains) -> bool:
    """Whether a file holds the document."""
    return any(remains.are_in(text) for text in texts_of(path.read_bytes()))


def erase_lines(path: Path, is_out: Callable[[str], bool], *, dry: bool, in_place: bool = False) -> int:
    """Remove the lines of a file that `is_out` names; return how many they were.

    The file is replaced; `in_place` keeps it, for one that another process goes on writing.
    """
    with path.open(encoding="utf-8", errors="surrogateescape", newline="\n") as file:
        lines = list(file)
    kept = [line for line in lines if not is_out(line)]
    if len(kept) < len(lines) and not dry:
        temporary = path if in_place else path.with_name(f".{path.name}.tmp")
        with path.open("wb") if in_place else open_new(temporary) as file:
            file.write("".join(kept).encode("utf-8", "surrogateescape"))
        if not in_place:
            temporary.chmod(path.stat().st_mode & 0o777)
            temporary.replace(path)
            sync_path(path.parent)
    return len(lines) - len(kept)


def erase_values(path: Path, remains: Remains, *, dry: bool) -> int:
    """Replace the texts of an SQLite database that hold the document by `FORGOTTEN`; return how many did.

    Of a value in JSON only the texts that hold the document are replaced, so that its owner can still read it. The free
    pages of the database are removed, too: they may hold what was deleted earlier. Raises StoreFailed if others hold
    it.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)) as database:
            database.execute("PRAGMA secure_delete = ON")
            found = sum(_erase_values(database, table, remains, dry=dry) for table in _tables(database))
            if not dry:
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                database.execute("VACUUM")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return found
    except sqlite3.Error as error:
        raise StoreFailed(
            f"cannot erase in a database: {error}", where=str(path), do="stop what uses it, then run this again"
        ) from error


def is_database(path: Path) -> bool:
    """Whether a file is an SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_DATABASE)) == _DATABASE


def _erase(path: Path, remains: Remains, *, dry: bool, whole: bool) -> int:
    try:
        beside = next((path.name.removesuffix(end) for end in _BESIDE if path.name.endswith(end)), None)
        if beside and path.with_name(beside).exists():
            # It is emptied with its database.
            return 0
        if is_database(path):
            return erase_values(path, remains, dry=dry)
        if path.suffix == ".jsonl" and not whole:
            return erase_lines(path, remains.are_in, dry=dry)
        if not hold(path, remains):
            return 0
        if not dry:
            path.unlink(missing_ok=True)
            sync_path(path.parent)
    except FileNotFoundError:
        # Its writer has removed it meanwhile.
        return 0
    return 1


def _tables(database: sqlite3.Connection) -> list[str]:
    found = database.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        " AND sql NOT LIKE 'CREATE VIRTUAL%' AND sql NOT LIKE '%WITHOUT ROWID%'"
    )
    return [name for (name,) in found]


def _erase_values(database: sqlite3.Connection, table: str, remains: Remains, *, dry: bool) -> int:
    columns = [str(row[1]) for row in database.execute(f"PRAGMA table_info({_quoted(table)})")]
    listed = ", ".join(_quoted(column) for column in columns)
    out: list[tuple[str, int, str]] = []
    for rowid, *values in database.execute(f"SELECT rowid, {listed} FROM {_quoted(table)}"):  # noqa: S608 - quoted
        for column, value in zip(columns, values, strict=True):
            text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
            if isinstance(text, str) and remains.are_in(text):
                out.append((column, rowid, _blanked(text, remains)))
    for column, rowid, left in [] if dry else out:
        try:
            update = f"UPDATE {_quoted(table)} SET {_quoted(column)} = ? WHERE rowid = ?"  # noqa: S608 - quoted
            database.execute(update, (left, rowid))
        except sqlite3.IntegrityError:
            database.execute(f"DELETE FROM {_quoted(table)} WHERE rowid = ?", (rowid,))  # noqa: S608 - quoted
    return len(out)


def _blanked(text: str, remains: Remains) -> str:
    try:
        value = json.loads(text)
    except ValueError:
        return FORGOTTEN
    left = json.dumps(_without(value, remains))
    # The document may be in the keys, or across several texts.
    return json.dumps(type(value)()) if remains.are_in(left) else left


def _without(value: Any, remains: Remains) -> Any:
    if isinstance(value, dict):
        return {key: _without(item, remains) for key, item in value.items()}
    if isinstance(value, list):
        return [_without(item, remains) for item in value]
    return FORGOTTEN if isinstance(value, str) and remains.are_in(value) else value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
