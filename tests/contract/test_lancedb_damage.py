"""What only files can suffer: damage, a full disk, changes behind the store's back."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lorag.errors import IntegrityFailed, StoreFailed
from lorag.integrations.lancedb.files import manifest_path
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import IndexRow


def rows_of(count: int, start: int = 0) -> list[IndexRow]:
    values = np.random.default_rng(start).standard_normal((count, 16)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return [IndexRow(Chunk(f"c{start + n}", "d", "", f"word{start + n} common"), "f", values[n]) for n in range(count)]


@pytest.mark.parametrize("content", ["zeros", "nothing"])
def test_an_older_generation_opens_although_the_newest_manifest_is_damaged(tmp_path: Path, content: str) -> None:
    store = LanceDbIndex(tmp_path, 1_000)
    base = store.write_generation(None, "a", 1, rows_of(20), ())
    newest = store.write_generation(base, "a", 2, rows_of(5, 20), ["c1"])
    store.close()
    path = manifest_path(tmp_path / "a.lance", newest.version)
    path.write_bytes(b"" if content == "nothing" else bytes(path.stat().st_size))

    cold = LanceDbIndex(tmp_path, 1_000)
    with pytest.raises(IntegrityFailed):
        cold.count(newest)
    assert cold.count(base) == 20
    assert [found.chunk.id for found in cold.rows(base, ["c1"])] == ["c1"]
    again = cold.write_generation(base, "a", 2, rows_of(5, 20), ["c1"])
    assert cold.count(again) == 24


def test_missing_or_cut_data_is_an_integrity_error(tmp_path: Path) -> None:
    store = LanceDbIndex(tmp_path / "one", 1_000)
    ref = store.write_generation(None, "a", 1, rows_of(20), ())
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    for path in (tmp_path / "one/a.lance/data").iterdir():
        path.unlink()
    for path in (tmp_path / "two/a.lance/data").iterdir():
        path.write_bytes(path.read_bytes()[:50])
    for name in ("one", "two"):
        with pytest.raises(IntegrityFailed) as caught:
            list(LanceDbIndex(tmp_path / name, 1_000).rows(ref))
        assert caught.value.exit_status == 7
        assert "cargo" not in caught.value.line()


def test_a_row_altered_or_deleted_behind_the_stores_back_is_unreachable(tmp_path: Path) -> None:
    import lancedb

    rows = rows_of(10)
    store = LanceDbIndex(tmp_path, 1_000)
    ref = store.write_generation(None, "a", 1, rows, ())
    table = lancedb.connect(str(tmp_path)).open_table("a")
    table.delete("id = 'c3'")
    table.update(where="id = 'c5'", values={"searchable": "something else"})
    ref = replace(ref, version=table.version)
    assert store.unreachable(ref, rows) == ["c3", "c5"]
    mended = store.mend(ref, [rows[3], rows[5]])
    assert store.unreachable(mended, rows) == []
    assert store.count(mended) == 10


def test_a_full_disk_is_a_store_failure_and_the_base_stays(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "lorag-test", str(disk)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a small tmpfs here")
    try:
        store = LanceDbIndex(disk / "db", 1_000)
        base = store.write_generation(None, "a", 1, rows_of(50), ())
        with pytest.raises(StoreFailed, match="No space left") as caught:
            store.write_generation(base, "a", 2, rows_of(20_000, 50), ())
        assert caught.value.exit_status == 5
        assert LanceDbIndex(disk / "db", 1_000).count(base) == 50
        store.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_update_does_not_coarsen_the_vector_index(tmp_path: Path) -> None:
    # LanceDB's own way to extend an index merges partitions: after it every search compares with nearly every row.
    import lancedb

    store = LanceDbIndex(tmp_path, 1_000)
    base = store.write_generation(None, "a", 1, rows_of(4_000), ())
    store.write_generation(base, "a", 2, rows_of(400, 4_000), [f"c{number}" for number in range(400)])
    table = lancedb.connect(str(tmp_path)).open_table("a")
    plan = table.search(rows_of(1)[0].vector, vector_column_name="vector").nprobes(20).limit(5).analyze_plan()
    ranked = re.findall(r"partitions_ranked=(\d+)", plan)
    assert [int(number) for number in ranked] == [63]


def test_dropped_generations_give_their_bytes_back(tmp_path: Path) -> None:
    store = LanceDbIndex(tmp_path, 100_000)
    ref = store.write_generation(None, "a", 1, rows_of(2_000), ())
    for generation in range(2, 7):
        ref = store.write_generation(ref, "a", generation, rows_of(2_000), ())
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    store.drop_all_but([ref])
    after = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert after < before / 3
    assert store.count(ref) == 2_000
    store.make_durable(ref)
    store.drop_all_but([])
    assert not list(tmp_path.glob("*.lance"))
