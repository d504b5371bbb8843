"""Files of every kind that hold a document lose it, and nothing else."""

import gzip
import io
import json
import os
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lorag.errors import StoreFailed
from lorag.integrations import erasing
from lorag.integrations.erasing import FORGOTTEN, erase_below, erase_lines
from lorag.knowledge.remains import remains_of

CANARY = "quetzal7f3a9c"
REMAINS = remains_of(["a.md"], [f"it says {CANARY}"])


def _zip(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("inner.txt", data)
    return buffer.getvalue()


def test_files_go_whole_and_lines_alone(tmp_path: Path) -> None:
    held = {
        "plain.txt": CANARY.encode(),
        "wide.txt": CANARY.encode("utf-16"),
        "packed.gz": gzip.compress(CANARY.encode()),
        "archive.zip": _zip(gzip.compress(CANARY.encode())),
        "binary.bin": b"\x00\xff" + CANARY.encode() + b"\x00",
    }
    for name, data in {**held, "other.txt": b"nothing", "bad.zip": b"PK\x03\x04", "bad.gz": b"\x1f\x8b"}.items():
        (tmp_path / name).write_bytes(data)
    save_file({"x": np.zeros(2)}, tmp_path / "m.safetensors", {"note": CANARY})
    save_file({"x": np.zeros(2)}, tmp_path / "n.safetensors")
    lines = [{"n": 1}, {"page": "a.md"}, {"text": CANARY}, {"n": 2}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (tmp_path / "link.txt").symlink_to("/etc/hostname")

    assert erase_below(tmp_path, REMAINS, dry=True) == 8
    assert all((tmp_path / name).exists() for name in held), "a look changes nothing"
    assert erase_below(tmp_path, REMAINS, dry=False) == 8 and erase_below(tmp_path, REMAINS, dry=False) == 0
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"other.txt", "bad.zip", "bad.gz", "n.safetensors", "rows.jsonl", "link.txt"}
    assert (tmp_path / "rows.jsonl").read_text() == '{"n": 1}\n{"n": 2}\n'


def test_a_database_keeps_its_rows_and_loses_the_texts_and_its_free_pages(tmp_path: Path) -> None:
    path = tmp_path / "runs.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (id INTEGER PRIMARY KEY, note TEXT NOT NULL, parameters JSON, data BLOB)")
        row = {"document": "a.md", "kept": ["yes", CANARY], "n": 3}
        database.execute("INSERT INTO runs VALUES (1, ?, ?, ?)", (CANARY, json.dumps(row), CANARY.encode()))
        database.execute("INSERT INTO runs VALUES (2, 'other', '{}', NULL)")
        database.execute("INSERT INTO runs VALUES (3, ?, ?, NULL)", ("key", json.dumps({CANARY: 1})))
        database.executemany("INSERT INTO runs VALUES (?, ?, NULL, NULL)", [(n, CANARY * 99) for n in range(4, 99)])
        database.execute("DELETE FROM runs WHERE id > 3")
    assert CANARY.encode() in path.read_bytes()
    assert erase_below(tmp_path, REMAINS, dry=False) == 4
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT note, parameters, data FROM runs ORDER BY id").fetchall()
    assert rows[0] == (FORGOTTEN, json.dumps({"document": FORGOTTEN, "kept": ["yes", FORGOTTEN], "n": 3}), FORGOTTEN)
    assert rows[1:] == [("other", "{}", None), ("key", "{}", None)]
    assert CANARY.encode() not in path.read_bytes()


def test_a_database_in_use_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "_LOCK_TIMEOUT_S", 0.1)
    with closing(sqlite3.connect(tmp_path / "runs.db", isolation_level=None)) as database:
        database.execute("CREATE TABLE runs (note TEXT)")
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreFailed, match="stop what uses it"):
            erase_below(tmp_path, REMAINS, dry=False)


def test_a_log_stays_the_file_that_its_writer_has_open(tmp_path: Path) -> None:
    path = tmp_path / "serve.log"
    path.write_text(f"one\n{CANARY}\n")
    with path.open("a") as writer:
        assert erase_lines(path, REMAINS.are_in, dry=False, in_place=True) == 1
        writer.write("two\n")
    assert path.read_text() == "one\ntwo\n" and os.stat(path).st_nlink == 1
