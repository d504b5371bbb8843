"""What only a server can do wrong: die, refuse a key, let anybody in, not be there."""

import json
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from lorag.errors import LoragError, ParamsError, StoreFailed
from lorag.integrations.stores import open_store
from lorag.integrations.weaviate.client import read_addresses
from lorag.integrations.weaviate.writer import WeaviateWriter
from lorag.knowledge.documents import Chunk
from lorag.params import IndexParams, StoreKind
from lorag.retrieval.index.store import IndexRow, IndexStore

PARAMS = IndexParams(
    store=StoreKind.WEAVIATE, name="own", ann_from_rows=256, retain_generations=5, replication_factor=1, shards=1
)


@pytest.fixture
def server(start: ModuleType, weaviate_binary: Path, tmp_path: Path) -> Iterator[Any]:
    running = [start.launch(weaviate_binary, tmp_path / "server", api_key="right")]
    yield running
    running[-1].kill(gently=False)


def rows_of(count: int, dimension: int = 384) -> list[IndexRow]:
    values = np.random.default_rng(3).standard_normal((count, dimension)).astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return [IndexRow(Chunk(f"c{n:04}", "d", "", f"word{n} common"), "f", values[n]) for n in range(count)]


def failing(store: IndexStore) -> str:
    """The one line of the error that a write gives, raised in good time."""
    begun = time.monotonic()
    with pytest.raises(StoreFailed) as caught:
        store.write_generation(None, "own", 1, rows_of(1, 8), ())
    assert time.monotonic() - begun < 30
    assert isinstance(caught.value, LoragError)
    return caught.value.line()


@pytest.mark.weaviate
def test_vectors_lost_by_a_killed_server_are_found_and_mended(
    start: ModuleType, weaviate_binary: Path, server: list[Any], tmp_path: Path
) -> None:
    # After a kill every object is there and the count is right, but some are gone from the graph.
    store = open_store(PARAMS, tmp_path / "state", server[-1].environment)
    kept, rows = rows_of(2_000)[:1_500], rows_of(2_000)[1_500:]
    base = store.write_generation(None, "own", 1, kept, ())
    ref = store.write_generation(base, "own", 2, rows, ())
    server[-1].kill(gently=False)
    store.close()
    again = start.launch(weaviate_binary, tmp_path / "server", api_key="right", ports=server[-1].ports)
    server.append(again)

    store = open_store(PARAMS, tmp_path / "state", again.environment)
    assert store.count(ref) == 2_000
    lost = store.unreachable(ref, [*kept, *rows])
    print(f"{len(lost)} of 2,000 rows were lost by the kill")
    attempts = 0
    while lost and attempts < 3:
        store.mend(ref, [row for row in [*kept, *rows] if row.chunk.id in set(lost)])
        lost = store.unreachable(ref, [*kept, *rows])
        attempts += 1
    assert lost == []
    assert store.count(ref) == 2_000
    assert [found.vector.tobytes() for found in store.rows(ref)] == [r.vector.tobytes() for r in [*kept, *rows]]
    store.close()


@pytest.mark.weaviate
def test_what_is_lost_behind_the_back_of_a_writer_that_listed_its_rows_is_missing_when_they_are_read(
    server: list[Any], tmp_path: Path
) -> None:
    store: Any = open_store(PARAMS, tmp_path / "state", server[-1].environment)
    rows = rows_of(30, 8)
    base = store.write_generation(None, "own", 1, rows, ())
    assert len(store.entries(base)) == 30
    ref = store.write_generation(base, "own", 2, rows[:1], [rows[1].chunk.id])
    left = [row.chunk.id for row in rows if row is not rows[1]]
    assert [row.chunk.id for row in store.rows(ref)] == left
    assert [row.chunk.id for row in store.rows(base)] == [row.chunk.id for row in rows]

    other = WeaviateWriter(store._collection(ref))
    other.close([rows[5].chunk.id], 2)
    assert [row.chunk.id for row in store.rows(ref)] == [name for name in left if name != rows[5].chunk.id]
    # As many as there should be, and not the same.
    other.insert([rows[1]], 2, None)
    assert store.count(ref) == 29
    assert rows[5].chunk.id not in [row.chunk.id for row in store.rows(ref)]
    store.close()


@pytest.mark.weaviate
def test_a_wrong_or_missing_key_is_said_in_one_line(server: list[Any], tmp_path: Path) -> None:
    environment = server[-1].environment
    wrong = open_store(PARAMS, tmp_path / "state", {**environment, "WEAVIATE_API_KEY": "wrong"})
    line = failing(wrong)
    assert "refuses the key" in line and "WEAVIATE_API_KEY" in line and "wrong" not in line
    missing = open_store(PARAMS, tmp_path / "state", {**environment, "WEAVIATE_API_KEY": ""})
    assert "wants a key" in failing(missing)
    no_grpc = open_store(PARAMS, tmp_path / "state", {**environment, "WEAVIATE_GRPC_PORT": "9"})
    assert "WEAVIATE_GRPC_PORT" in failing(no_grpc)


@pytest.mark.weaviate
def test_a_server_that_goes_away_is_a_store_failure(server: list[Any], tmp_path: Path) -> None:
    store = open_store(PARAMS, tmp_path / "state", server[-1].environment)
    ref = store.write_generation(None, "own", 1, rows_of(3, 8), ())
    server[-1].kill(gently=False)
    begun = time.monotonic()
    with pytest.raises(StoreFailed, match="Weaviate"):
        store.search_vector(ref, rows_of(3, 8)[0].vector, 1)
    with pytest.raises(StoreFailed, match="Weaviate"):
        store.write_generation(ref, "own", 2, rows_of(3, 8), ())
    assert time.monotonic() - begun < 90
    store.close()


@pytest.mark.weaviate
def test_an_anonymous_server_is_refused_unless_that_is_asked_for(
    start: ModuleType, weaviate_binary: Path, tmp_path: Path
) -> None:
    running = start.launch(weaviate_binary, tmp_path / "open", api_key="unused", anonymous=True)
    try:
        environment = {**running.environment, "WEAVIATE_API_KEY": ""}
        line = failing(open_store(PARAMS, tmp_path / "state", environment))
        assert "lets anybody in" in line and "LORAG_INSECURE_DEV" in line
        accepted = open_store(PARAMS, tmp_path / "state", {**environment, "LORAG_INSECURE_DEV": "1"})
        assert accepted.count(accepted.write_generation(None, "own", 1, rows_of(2, 8), ())) == 2
        accepted.close()
    finally:
        running.kill(gently=False)


def test_a_server_that_is_not_there_is_a_store_failure(start: ModuleType, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{start.free_ports().http}"
    store = open_store(PARAMS, tmp_path, {"WEAVIATE_URL": url, "WEAVIATE_API_KEY": "k"})
    line = failing(store)
    assert url in line and "make weaviate" in line


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "WEAVIATE_URL is not set"),
        ({"WEAVIATE_URL": "127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"WEAVIATE_URL": "ftp://127.0.0.1"}, "WEAVIATE_URL"),
        ({"WEAVIATE_URL": "http://127.0.0.1:port"}, "WEAVIATE_URL"),
        ({"WEAVIATE_URL": "http://user:secret@127.0.0.1:80"}, "without a key"),
        ({"WEAVIATE_URL": "http://127.0.0.1:80", "WEAVIATE_GRPC_PORT": "many"}, "WEAVIATE_GRPC_PORT"),
        ({"WEAVIATE_URL": "http://example.org:8080"}, "LORAG_INSECURE_DEV"),
    ],
)
def test_a_bad_address_is_refused_before_anything_is_sent(
    tmp_path: Path, environment: dict[str, str], expected: str
) -> None:
    with pytest.raises(ParamsError, match=re.escape(expected)) as caught:
        open_store(PARAMS, tmp_path, environment)
    assert "secret" not in str(caught.value)


def test_addresses_are_read_with_their_defaults() -> None:
    (address,) = read_addresses({"WEAVIATE_URL": "https://weaviate.example.org/"})
    assert (address.host, address.port, address.grpc_port, address.is_tls) == ("weaviate.example.org", 443, 50051, True)
    assert read_addresses({"WEAVIATE_URL": "http://[::1]:99"})[0].url == "http://[::1]:99"


def test_a_cluster_is_a_list_with_a_grpc_port_for_each_node_or_one_for_all() -> None:
    urls = "http://127.0.0.1:1, http://127.0.0.1:2"
    each = read_addresses({"WEAVIATE_URL": urls, "WEAVIATE_GRPC_PORT": "11,12", "WEAVIATE_API_KEY": "k"})
    assert [(node.port, node.grpc_port, node.api_key) for node in each] == [(1, 11, "k"), (2, 12, "k")]
    assert [node.grpc_port for node in read_addresses({"WEAVIATE_URL": urls, "WEAVIATE_GRPC_PORT": "9"})] == [9, 9]
    with pytest.raises(ParamsError, match="3 ports for 2 nodes"):
        read_addresses({"WEAVIATE_URL": urls, "WEAVIATE_GRPC_PORT": "1,2,3"})


@pytest.mark.slow
@pytest.mark.weaviate
def test_the_start_script_starts_once_keeps_its_key_private_and_stops(weaviate_binary: Path, tmp_path: Path) -> None:
    script = Path(__file__).parents[2] / "infra/weaviate/start.py"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEAVIATE_")}
    environment["PATH"] = f"{weaviate_binary.parent}:{environment['PATH']}"

    def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(command, cwd=tmp_path, env={**environment, **more}, capture_output=True, text=True)

    assert Path(call("--prepare").stdout.strip()).name == "weaviate-server"
    begun = call()
    try:
        assert begun.returncode == 0, begun.stderr
        exported = dict(re.findall(r"export (\w+)=(\S+)", begun.stdout))
        assert set(exported) == {"WEAVIATE_URL", "WEAVIATE_GRPC_PORT", "WEAVIATE_API_KEY"}
        assert call().stdout == begun.stdout
        assert "ready" in call(WEAVIATE_URL=exported["WEAVIATE_URL"]).stdout
        folder = tmp_path / ".lorag/weaviate"
        for name in ("api_key", "server.json"):
            assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600
        store = open_store(PARAMS, tmp_path / "state", exported)
        ref = store.write_generation(None, "own", 1, rows_of(3, 8), ())
        assert call("stop").returncode == 0
        assert dict(re.findall(r"export (\w+)=(\S+)", call().stdout)) == exported
        store.close()
        assert store.count(ref) == 3
        store.close()
    finally:
        assert "stopped" in call("stop").stdout
    assert "No server" in call("stop").stdout
    down = call(WEAVIATE_URL=exported["WEAVIATE_URL"])
    assert down.returncode == 5 and down.stderr.count("\n") == 1
    json.loads((tmp_path / ".lorag/weaviate/server.json").read_text())
