"""The gate, on a store whose rows are tampered with between writing and checking."""

from dataclasses import replace
from pathlib import Path

import lancedb
import numpy as np
import pytest

from lorag.errors import GateRefused
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.knowledge.documents import Chunk
from lorag.params import Params
from lorag.params_file import load_params
from lorag.retrieval.index.store import IndexRef
from lorag.use_cases.asking.artifacts import Wanted
from lorag.use_cases.asking.golden import Golden
from lorag.use_cases.refresh.refresh_index import (
    GateReport,
    apply_plan,
    gate_generation,
    plan_generation,
    start_from,
)
from tests.releases.test_shelf import release

NO_QUESTIONS = Golden((), np.empty((0, 8), np.float32))


@pytest.fixture
def params() -> Params:
    return load_params(Path(__file__).parents[3] / "params.yaml")


@pytest.fixture
def wanted() -> Wanted:
    vectors = np.random.default_rng(1).normal(size=(12, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Wanted((), [Chunk(f"c{n:02}", "d", "", f"sentence {n}") for n in range(12)], vectors, "f" * 64)


def gated(wanted: Wanted, params: Params, folder: Path, statement: str) -> tuple[IndexRef, GateReport]:
    """What the gate says after `statement` was done to the table behind the store's back."""
    store = LanceDbIndex(folder, params.index.ann_from_rows)
    plan = plan_generation(wanted, None, store)
    ref = apply_plan(plan, wanted, None, 1, store, params.index)
    table = lancedb.connect(str(folder)).open_table(ref.name)
    if statement == "delete":
        table.delete("id = 'c03'")
    elif statement == "alter":
        table.update(where="id = 'c05'", values={"searchable": "something else"})
    elif statement == "add":
        table.add(table.search().where("id = 'c07'").to_arrow().drop(["id"]).append_column("id", [["zz"]]))
    ref = replace(ref, version=table.version)
    ref, report = gate_generation(ref, plan, wanted, None, store, NO_QUESTIONS, params)
    assert [row.chunk for row in store.rows(ref)] == wanted.chunks
    return ref, report


@pytest.mark.parametrize(("statement", "mended"), [("nothing", 0), ("delete", 1), ("alter", 1)])
def test_rows_that_the_store_lost_are_mended(
    statement: str, mended: int, wanted: Wanted, params: Params, tmp_path: Path
) -> None:
    intact = gated(wanted, params, tmp_path / "intact", "nothing")[1]
    report = gated(wanted, params, tmp_path / "store", statement)[1]
    assert report == replace(intact, mended=mended)


def test_a_row_too_many_is_refused(wanted: Wanted, params: Params, tmp_path: Path) -> None:
    with pytest.raises(GateRefused, match="13 chunks"):
        gated(wanted, params, tmp_path, "add")


def test_an_empty_release_is_still_there_after_the_first_documents(
    wanted: Wanted, params: Params, tmp_path: Path
) -> None:
    store = LanceDbIndex(tmp_path, params.index.ann_from_rows)
    nothing = replace(wanted, chunks=[], vectors=np.empty((0, 8), np.float32))
    empty = apply_plan(plan_generation(nothing, None, store), nothing, None, 1, store, params.index)
    start = start_from(replace(release(1), index=empty), params.index, wanted.fingerprint)
    filled = apply_plan(plan_generation(wanted, start, store), wanted, start, 2, store, params.index)
    assert (store.count(empty), store.count(filled)) == (0, 12)
    assert start_from(replace(release(2), index=filled), params.index, wanted.fingerprint) == filled
