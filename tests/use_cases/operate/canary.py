"""A search for a text in all files below a folder, however it is there: raw, encoded, packed, in databases, in rows."""

import base64
import gzip
import io
import json
import sqlite3
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path

from lorag.integrations.lancedb.files import import_lancedb


def encodings(text: str) -> list[bytes]:
    """The bytes that the text may be as: in three encodings, as hexadecimal digits, and in base64 at any place."""
    raw = text.encode()
    found = [raw, text.encode("utf-16-le"), text.encode("utf-16-be"), raw.hex().encode()]
    for at in range(3):
        packed = base64.b64encode(b"\0" * at + raw)
        # The first and the last signs depend on what stands beside it.
        found.append(packed[4 if at else 0 : -4])
    return found


def is_in(data: bytes, needles: Sequence[bytes], depth: int = 0) -> bool:
    if any(needle in data for needle in needles):
        return True
    if depth < 3 and data.startswith(b"\x1f\x8b"):
        with suppress(OSError, EOFError):
            return is_in(gzip.decompress(data), needles, depth + 1)
    if depth < 3 and data.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as file:
            return any(is_in(file.read(name), needles, depth + 1) for name in file.namelist())
    if data.startswith(b"SQLite format 3\0"):
        return any(is_in(value, needles) for value in _cells(data))
    return False


def _cells(data: bytes) -> Iterator[bytes]:
    with closing(sqlite3.connect(":memory:")) as database:
        # As if it kept no log beside it, which is a file of its own here.
        database.deserialize(data[:18] + b"\x01\x01" + data[20:])
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield from (value for value in row if isinstance(value, bytes))
                yield from (value.encode() for value in row if isinstance(value, str))


def rows_of_lance(folder: Path) -> Iterator[bytes]:
    """The rows of all versions of all tables, as JSON with their vectors."""
    if not folder.is_dir():
        return
    connection = import_lancedb().connect(str(folder))
    for path in sorted(folder.glob("*.lance")):
        table = connection.open_table(path.stem)
        for version in table.list_versions():
            table.checkout(version["version"])
            for row in table.search().limit(100_000).to_arrow().to_pylist():
                yield json.dumps(row, default=str).encode()


def find(root: Path, needles: Sequence[bytes]) -> Counter[str]:
    """How many files below `root`, and rows of an index, hold one of the needles, by the store that they belong to."""
    found: Counter[str] = Counter()
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and is_in(path.read_bytes(), needles):
            found[store_of(path.relative_to(root).as_posix())] += 1
    for row in rows_of_lance(root / "w" / ".lorag" / "lancedb"):
        found["rows"] += is_in(row, needles)
    return +found


def store_of(name: str) -> str:
    """The first folders of a path: fine enough to tell stores apart."""
    parts = name.split("/")
    return "/".join(parts[: 3 if parts[:1] == ["w"] and parts[1] in (".lorag", ".dvc", "data", "artifacts") else 2])
