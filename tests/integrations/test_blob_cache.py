import multiprocessing
import os
import sqlite3
import time
from pathlib import Path

import pytest

from lorag.errors import StoreFailed
from lorag.integrations.blob_cache import BlobCache


def test_gives_back_what_was_put_by_namespace(tmp_path: Path) -> None:
    with BlobCache(tmp_path / "deep" / "cache.sqlite") as cache:
        cache.put("a", "k", b"one")
        cache.put_many("b", [("k", b"two"), ("empty", b"")])
        cache.put("a", "k", b"newer")
    with BlobCache(tmp_path / "deep" / "cache.sqlite") as cache:
        assert cache.get("a", "k") == b"newer"
        assert cache.get_many("b", ["k", "empty", "absent", "k"]) == {"k": b"two", "empty": b""}
        assert cache.get("c", "k") is None
        assert cache.get_many("b", []) == {}


def test_many_keys_are_quick_and_whole(tmp_path: Path) -> None:
    values = [(f"{i:064x}", os.urandom(32) * 48) for i in range(20_000)]
    with BlobCache(tmp_path / "c") as cache:
        cache.put_many("vectors", iter(values))
        cpu = time.process_time()
        found = cache.get_many("vectors", [key for key, _ in values])
        cpu = time.process_time() - cpu
    assert found == dict(values)
    assert cpu < 2


@pytest.mark.parametrize("damage", [b"no database at all " * 500, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(damage)
    with BlobCache(path) as cache:
        assert cache.get("a", "k") is None
        cache.put("a", "k", b"v")
        assert cache.get("a", "k") == b"v"
    assert path.with_name("cache.sqlite.damaged").read_bytes() == damage
    assert "damaged" in caplog.text


def test_damage_found_while_reading_is_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with BlobCache(path) as cache:
        cache.put_many("a", [(str(i), b"x" * 1000) for i in range(1000)])
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xaa" * (len(content) - 8192)
    path.write_bytes(content)
    with BlobCache(path) as cache:
        assert cache.get_many("a", [str(i) for i in range(1000)]) == {}
        cache.put("a", "1", b"new")
        assert cache.get("a", "1") == b"new"


def test_a_flipped_bit_in_a_value_counts_as_absent(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with BlobCache(path) as cache:
        cache.put_many("a", [("k", b"needle-in-the-file"), ("other", b"fine")])
    content = path.read_bytes()
    assert content.count(b"needle-in-the-file") == 1
    path.write_bytes(content.replace(b"needle-in-the-file", b"nefdle-in-the-file"))
    with BlobCache(path) as cache:
        assert cache.get_many("a", ["k", "other"]) == {"other": b"fine"}


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreFailed, match="cache failed"):
        BlobCache(tmp_path / "file" / "cache.sqlite")


def test_a_replaced_value_leaves_no_bytes(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    with BlobCache(path) as cache:
        cache.put("a", "k", b"secret-canary-text")
    assert b"secret-canary-text" in path.read_bytes()
    with BlobCache(path) as cache:
        cache.put("a", "k", b"other")
    assert b"secret-canary-text" not in b"".join(p.read_bytes() for p in tmp_path.iterdir())


def _write(path: Path, writer: int) -> None:
    with BlobCache(path) as cache:
        for i in range(30):
            cache.put("a", f"{writer}-{i}", str(i).encode())


def test_processes_that_start_together_all_keep_their_values(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_write, args=(tmp_path / "c", writer)) for writer in range(6)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 6
    with BlobCache(tmp_path / "c") as cache:
        assert len(cache.get_many("a", [f"{w}-{i}" for w in range(6) for i in range(30)])) == 180


def test_a_reader_goes_on_while_another_writes(tmp_path: Path) -> None:
    with BlobCache(tmp_path / "c") as cache:
        cache.put("a", "k", b"v")
        writer = sqlite3.connect(tmp_path / "c", isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM blobs")
        assert cache.get("a", "k") == b"v"
        writer.execute("ROLLBACK")
        writer.close()
