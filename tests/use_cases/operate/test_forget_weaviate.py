"""P22 and P23 with Weaviate: a forgotten document is in no answer and in no file of the server."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lorag.integrations.stores import open_store
from lorag.releases.forgotten import forget
from lorag.retrieval.index.store import Filter
from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate.forget import forget_document
from lorag.use_cases.serve.search import search_workspace
from tests.servers import infra_module, weaviate_binary
from tests.use_cases.conftest import PAGES, Place
from tests.use_cases.operate.canary import encodings, is_in
from tests.use_cases.operate.test_forget import CANARY, EARLIER, SECRET, SENTENCE, make, refresh

pytestmark = [pytest.mark.full, pytest.mark.slow]
MOST_S = 120


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """A server of this test alone, with its data in a folder."""
    started = infra_module("weaviate", "start").launch(weaviate_binary(), tmp_path / "server", api_key="forget")
    yield started
    started.kill()


@pytest.fixture
def place(tmp_path: Path, server: Any) -> Place:
    """A workspace whose index had two versions of the document."""
    (tmp_path / "home").mkdir()
    pages = {**PAGES, SECRET: f"# Harbour log\n\n{SENTENCE.replace(CANARY, EARLIER)}\n"}
    made = make(tmp_path / "home", pages)
    change_params(made.workspace.params_file, {"index": {"store": "weaviate", "replication_factor": 1, "shards": 1}})
    place = Place(made.workspace, made.source, made.model, server.environment)
    refresh(place)
    (place.source / SECRET).write_text(f"# Harbour log\n\n{SENTENCE}\n")
    refresh(place)
    return place


def holding(folder: Path, needles: Sequence[bytes]) -> list[str]:
    """The files of the server that hold one of the needles."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [
        path.relative_to(folder).as_posix() for path in paths if path.exists() and is_in(path.read_bytes(), needles)
    ]


def test_it_is_in_no_answer_at_once_and_then_in_no_file_of_it(place: Place, server: Any, tmp_path: Path) -> None:
    store = open_store(place.params.index, place.workspace.state, place.environment)
    served = place.shelf.served()
    assert served is not None
    (row,) = [row for row in store.rows(served.index) if row.chunk.document_id == SECRET]
    store.close()
    text = [*encodings(CANARY), *encodings(EARLIER)]
    vector = [row.vector.astype("<f4").tobytes()]
    assert holding(tmp_path / "server", text) and holding(tmp_path / "server", vector), "the look finds what is there"

    forget(place.workspace.state, [SECRET], [])
    found = search_workspace(CANARY, place.workspace, place.params, place.environment).hits
    assert found and all(hit.chunk.document_id != SECRET for hit in found), "by the ledger alone"

    receipt = forget_document(SECRET, place.workspace, place.params, place.environment)
    assert {one.store: one.count for one in receipt.stores}["index"] == 1
    assert any("Weaviate server" in line for line in receipt.limits)
    found = search_workspace(CANARY, place.workspace, place.params, place.environment).hits
    assert {hit.chunk.document_id for hit in found} == set(PAGES)
    store = open_store(place.params.index, place.workspace.state, place.environment)
    released = place.shelf.served()
    assert released is not None and not store.chunks(released.index, Filter((SECRET,)))
    store.close()

    begun = time.monotonic()
    while left := holding(tmp_path / "server", [*text, *vector]):
        assert time.monotonic() - begun < MOST_S, left
        time.sleep(1)
    print(f"in no file of the server {time.monotonic() - begun:.0f} s after the erasure")
    server.kill()
    assert holding(tmp_path / "server", [*text, *vector]) == [], "nor in what it writes when it ends"
