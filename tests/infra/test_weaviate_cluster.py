"""Three real nodes, each of which dies in the middle of a refresh while questions are asked."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Chunk
from lorag.params import Params, StoreKind
from lorag.params_file import load_params
from lorag.releases.record import Release, digest_rows
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import IndexRef, IndexStore
from lorag.use_cases.asking.artifacts import Wanted
from lorag.use_cases.asking.golden import Golden
from lorag.use_cases.refresh.refresh_index import (
    Provenance,
    apply_plan,
    gate_generation,
    plan_generation,
    publish_generation,
    start_from,
)
from tests.servers import ROOT, infra_module, weaviate_binary

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.weaviate]

DIMENSION = 64
N_CHUNKS = 900
CATCHING_UP_S = 200
PROVENANCE = Provenance(embedder_model="m", embedder_sha256="0" * 64, created_utc="2026-01-01T00:00:00+00:00")


@pytest.fixture
def params() -> Params:
    whole = load_params(ROOT / "params.yaml")
    index = whole.index.model_copy(update={"store": StoreKind.WEAVIATE, "replication_factor": 3, "shards": 2})
    return whole.model_copy(update={"index": index})


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Any]]:
    """The cluster as it was started last."""
    module = infra_module("weaviate", "cluster")
    running = [module.launch_cluster(weaviate_binary(), tmp_path / "nodes", api_key="right")]
    yield running
    running[-1].kill(gently=False)


def bring_back(cluster: list[Any], tmp_path: Path) -> None:
    known = cluster[-1].servers
    module = infra_module("weaviate", "cluster")
    cluster.append(module.launch_cluster(weaviate_binary(), tmp_path / "nodes", api_key="right", known=known))


def wanted_in(edition: int) -> Wanted:
    """A third of the chunks is other in each edition, and some are gone."""
    chunks, vectors = [], []
    for number in range(edition * 20, N_CHUNKS):
        version = edition if number % 3 == 0 else 0
        chunks.append(Chunk(f"c{number:04}", f"d{number // 10}", "", f"word{number} in edition {version}"))
        vector = np.random.default_rng([number, version]).standard_normal(DIMENSION).astype(np.float32)
        vectors.append(vector / np.linalg.norm(vector))
    return Wanted((), chunks, np.array(vectors, np.float32), "f" * 64)


def refresh(wanted: Wanted, store: IndexStore, shelf: ReleaseShelf, params: Params, advance: Any = None) -> Release:
    """The real steps of a refresh behind the embeddings."""
    newest = next(iter(shelf.releases()), None)
    start = start_from(newest, params.index, wanted.fingerprint)
    plan = plan_generation(wanted, start, store)
    generation = newest.generation + 1 if newest else 1
    ref = apply_plan(plan, wanted, start, generation, store, params.index, advance)
    golden = Golden((), np.empty((0, DIMENSION), np.float32))
    ref, report = gate_generation(ref, plan, wanted, newest, store, golden, params)
    return publish_generation(ref, report, wanted, params, PROVENANCE, shelf, store, shelf.served_id())


class Asking:
    """A reader in a thread of its own, with connections of its own, that asks for what is served."""

    def __init__(self, store: IndexStore, ref: IndexRef, wanted: Wanted) -> None:
        self.store, self.ref, self.wanted = store, ref, wanted
        self.asked, self.slowest_s = 0, 0.0
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def _ask(self) -> None:
        while not self._stop.is_set():
            row = self.asked % len(self.wanted.chunks)
            begun = time.monotonic()
            try:
                by_vector = self.store.search_vector(self.ref, self.wanted.vectors[row], 1)
                by_text = self.store.search_text(self.ref, self.wanted.chunks[row].text.split()[0], 1)
                if [hit.chunk for hit in (*by_vector, *by_text)] != [self.wanted.chunks[row]] * 2:
                    self.failures.append(f"{self.wanted.chunks[row]}: {by_vector} {by_text}")
            except Exception as error:
                self.failures.append(repr(error))
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            self.asked += 1

    @contextmanager
    def meanwhile(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()
            self.store.close()


def test_a_node_that_dies_in_a_refresh_costs_no_row_and_no_answer(
    cluster: list[Any], params: Params, tmp_path: Path
) -> None:
    environment = cluster[-1].environment
    shelf = ReleaseShelf(tmp_path / "state")
    store = open_store(params.index, tmp_path / "state", environment)
    release = refresh(wanted_in(0), store, shelf, params)

    # First the one that clients are connected to, then the one that leads.
    for edition, which in ((1, lambda: 0), (2, lambda: leader(cluster[-1]))):
        wanted, node = wanted_in(edition), which()
        asking = Asking(
            open_store(params.index, tmp_path / "state", environment), release.index, wanted_in(edition - 1)
        )
        written: list[int] = []

        def kill_midway(count: int, written: list[int] = written, node: int = node) -> None:
            if not written:
                cluster[-1].servers[node].kill(gently=False)
            written.append(count)

        with asking.meanwhile():
            release = refresh(wanted, store, shelf, params, kill_midway)
        every = digest_rows(wanted.rows(sorted(chunk.id for chunk in wanted.chunks)))
        print(f"node {node + 1} killed: {asking.asked} answers, the slowest after {asking.slowest_s:.1f} s")
        assert asking.failures == []
        assert asking.asked > 20
        assert len(written) > 1, "it was killed before the last row was written"
        assert (release.content_digest, release.vectors_digest, release.n_chunks) == every
        # Others that come now find a node that answers.
        late = open_store(params.index, tmp_path / "state", environment)
        assert late.count(release.index, expected=release.n_chunks) == release.n_chunks
        late.close()

        bring_back(cluster, tmp_path)
        for server in cluster[-1].servers:
            assert_catches_up(server.environment, params, tmp_path, release, wanted)
    store.close()


def leader(cluster: Any) -> int:
    """The node that the others follow, by number."""
    server = cluster.servers[0].environment
    asked = urllib.request.Request(
        f"{server['WEAVIATE_URL']}/v1/cluster/statistics",
        headers={"Authorization": f"Bearer {server['WEAVIATE_API_KEY']}"},
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:
        found = json.load(answer)["statistics"]
    return int(found[0]["leaderId"].removeprefix("node")) - 1


def assert_catches_up(
    environment: dict[str, str], params: Params, tmp_path: Path, release: Release, wanted: Wanted
) -> None:
    """This node by itself has every row of the release, and finds each by its vector."""
    every = digest_rows(wanted.rows(sorted(chunk.id for chunk in wanted.chunks)))
    store = open_store(params.index, tmp_path / "state", environment)
    begun = time.monotonic()
    while (found := digest_rows(store.rows(release.index))) != every:
        assert time.monotonic() - begun < CATCHING_UP_S, f"{found} is not {every}"
        time.sleep(1)
    rows = wanted.rows([chunk.id for chunk in wanted.chunks])
    lost = store.unreachable(release.index, rows)
    print(f"{environment['WEAVIATE_URL']} caught up in {time.monotonic() - begun:.0f} s, {len(lost)} to mend")
    store.mend(release.index, [row for row in rows if row.chunk.id in lost])
    assert store.unreachable(release.index, rows) == []
    store.close()


def test_the_script_starts_three_nodes_and_brings_back_what_died(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WEAVIATE_")}
    environment["PATH"] = f"{weaviate_binary().parent}:{environment['PATH']}"

    def call(*arguments: str) -> str:
        command = [sys.executable, str(ROOT / "infra/weaviate/cluster.py"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    try:
        exported = dict(re.findall(r"export (\w+)=(\S+)", call()))
        assert [len(exported[name].split(",")) for name in ("WEAVIATE_URL", "WEAVIATE_GRPC_PORT")] == [3, 3]
        record = tmp_path / ".lorag/weaviate-cluster/servers.json"
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        before = [server["pid"] for server in json.loads(record.read_text())]
        os.kill(before[1], signal.SIGKILL)
        assert dict(re.findall(r"export (\w+)=(\S+)", call())) == exported
        after = [server["pid"] for server in json.loads(record.read_text())]
        assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True]
    finally:
        assert "3 nodes have stopped" in call("stop")
