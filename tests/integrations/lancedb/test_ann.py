"""When the vector index is built again, and that rows are found meanwhile."""

from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pytest

from lorag.integrations.lancedb.ann import VECTOR_INDEX
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import IndexRef, IndexRow


def rows_of(count: int, start: int = 0) -> list[IndexRow]:
    values = np.random.default_rng(start).standard_normal((count, 16)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return [IndexRow(Chunk(f"c{start + n}", "d", "", f"word{start + n} common"), "f", values[n]) for n in range(count)]


def scanned_rows(folder: Path, ref: IndexRef) -> Any:
    table = lancedb.connect(str(folder)).open_table(ref.name)
    table.checkout(ref.version)
    return table.index_stats(VECTOR_INDEX).num_unindexed_rows


@pytest.mark.parametrize(
    ("added", "scanned"),
    [
        (200, 200),  # few enough to be scanned: the index stays as it is
        (300, 0),  # more than 250 of 2,300 rows: built again over all
    ],
)
def test_the_vector_index_waits_until_enough_rows_are_new(tmp_path: Path, added: int, scanned: int) -> None:
    store = LanceDbIndex(tmp_path, 500)
    base = store.write_generation(None, "a", 1, rows_of(2_000), ())
    new = rows_of(added, 2_000)
    ref = store.write_generation(base, "a", 2, new, ())
    assert scanned_rows(tmp_path, base) == 0
    assert scanned_rows(tmp_path, ref) == scanned
    assert store.unreachable(ref, new) == []
    assert [store.search_vector(ref, row.vector, 1)[0].chunk.id for row in new[::50]] == [r.chunk.id for r in new[::50]]
    assert store.search_text(ref, "word2100", 1)[0].chunk.id == "c2100"


def test_many_small_refreshes_are_merged_into_few_files(tmp_path: Path) -> None:
    store = LanceDbIndex(tmp_path, 20_000)
    ref = store.write_generation(None, "a", 1, rows_of(10), ())
    for number in range(40):
        ref = store.write_generation(ref, "a", number + 2, rows_of(1, 10 + number), ())
    table = lancedb.connect(str(tmp_path)).open_table(ref.name)
    assert table.stats()["fragment_stats"]["num_fragments"] < 20
    assert store.count(ref) == 50


def test_cleaning_up_frees_old_rows_and_touches_no_kept_generation(tmp_path: Path) -> None:
    store = LanceDbIndex(tmp_path, 500)
    ref = store.write_generation(None, "a", 1, rows_of(2_000), ())
    for generation in range(2, 6):
        ref = store.write_generation(ref, "a", generation, rows_of(2_000), ())
    before = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    store.drop_all_but([ref])
    after = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    # Each generation wrote every row again; one of five stays.
    assert after < before / 2
    assert store.count(ref) == 2_000
    assert scanned_rows(tmp_path, ref) == 0
    following = store.write_generation(ref, "a", 6, rows_of(1, 2_000), ["c0"])
    assert store.count(following) == 2_000
