"""The embeddings stage on a cluster: the same bytes as without one, also where a worker dies."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

from lorag.errors import IntegrityFailed, StoreFailed
from lorag.params_file import load_params
from lorag.stages import run_stage
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.refresh.embed_shards import Shard, cut_shards, embed_one_shard
from lorag.workspace import Workspace

pytestmark = pytest.mark.slow

KNOWLEDGE = Path(__file__).parents[2] / "knowledge/v1/documents"


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The sample knowledge base, embedded by the threads of one process in small batches."""
    root = tmp_path_factory.mktemp("embedded") / "w"
    workspace = init_workspace(root, KNOWLEDGE, None)
    text = workspace.params_file.read_text().replace("data/source", str(KNOWLEDGE))
    text = text.replace("batch_tokens: 4096", "batch_tokens: 512")
    text = text.replace("batches_per_shard: 8", "batches_per_shard: 3")
    workspace.params_file.write_text(text)
    for stage in ("documents", "chunks", "embeddings"):
        run_stage(stage, workspace.root)
    return workspace


@pytest.fixture
def cold(embedded: Workspace, tmp_path: Path) -> Workspace:
    """The same workspace with nothing embedded yet."""
    shutil.copytree(embedded.root, tmp_path / "w")
    workspace = Workspace(tmp_path / "w")
    workspace.embeddings_file.unlink()
    for path in workspace.state.glob("cache.sqlite*"):
        path.unlink()
    return workspace


@pytest.fixture
def workers() -> Iterator[LocalCluster]:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0") as cluster:
        yield cluster


class Murder(SchedulerPlugin):  # type: ignore[misc]
    """Kills a worker that computes a shard when another one has ended its second."""

    def __init__(self, cluster: LocalCluster) -> None:
        self.scheduler = cluster.scheduler
        self.computed = self.killed = 0
        self.seen: set[Any] = set()
        with Client(cluster) as client:
            self.pids = client.run(os.getpid)
        self.scheduler.add_plugin(self)

    def transition(self, key: Any, start: str, finish: str, *_: Any, worker: str = "", **__: Any) -> None:
        self.seen.add(key)
        self.computed += finish == "memory"
        if finish == "memory" and self.computed >= 2 and not self.killed:
            busy = [state.address for state in self.scheduler.workers.values() if state.processing]
            for address in [address for address in busy if address != worker][:1]:
                os.kill(self.pids[address], signal.SIGKILL)
                self.killed += 1


def set_runner(workspace: Workspace, kind: str) -> None:
    text = workspace.params_file.read_text()
    workspace.params_file.write_text(text.replace("task_runner: threads", f"task_runner: {kind}"))


def counts(workspace: Workspace) -> Any:
    return json.loads(workspace.embedding_counts_file.read_text())


@pytest.mark.full
def test_a_local_dask_cluster_gives_the_bytes_of_one_process(embedded: Workspace, cold: Workspace) -> None:
    """As DVC runs it, with a temporary Prefect server of its own."""
    set_runner(cold, "dask")
    run_alone(cold, "from lorag.stages import main; main()", "embeddings")
    assert cold.embeddings_file.read_bytes() == embedded.embeddings_file.read_bytes()
    assert counts(cold)["backend"].endswith(" on dask")
    assert counts(cold)["n_embedded"] == counts(embedded)["n_embedded"]


@pytest.mark.full
def test_a_worker_that_dies_costs_its_shard(
    embedded: Workspace, cold: Workspace, workers: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_runner(cold, "dask")
    murder = Murder(workers)
    monkeypatch.setenv("LORAG_DASK_ADDRESS", workers.scheduler_address)
    run_stage("embeddings", cold.root)
    assert murder.killed == 1
    assert cold.embeddings_file.read_bytes() == embedded.embeddings_file.read_bytes()
    # What a worker had computed and not handed over yet dies with it.
    assert len(murder.seen) > 4
    assert len(murder.seen) <= murder.computed <= len(murder.seen) + 2


@pytest.mark.full
def test_shards_that_ended_outlive_a_cluster_that_fails(
    embedded: Workspace, cold: Workspace, workers: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_runner(cold, "dask")
    workers.scheduler.allowed_failures = 0
    Murder(workers)
    monkeypatch.setenv("LORAG_DASK_ADDRESS", workers.scheduler_address)
    with pytest.raises(StoreFailed, match="dask cluster failed"):
        run_stage("embeddings", cold.root)
    monkeypatch.delenv("LORAG_DASK_ADDRESS")
    cold.params_file.write_text(embedded.params_file.read_text())
    run_stage("embeddings", cold.root)
    assert counts(cold)["n_cached"] > 0
    assert cold.embeddings_file.stat().st_size == embedded.embeddings_file.stat().st_size


@pytest.mark.full
def test_a_local_ray_gives_the_bytes_of_one_process(embedded: Workspace, cold: Workspace) -> None:
    set_runner(cold, "ray")
    run_stage("embeddings", cold.root)
    assert cold.embeddings_file.read_bytes() == embedded.embeddings_file.read_bytes()
    assert counts(cold)["backend"].endswith(" on ray")


def test_threads_import_no_prefect(cold: Workspace) -> None:
    code = "import sys; from lorag.stages import main; main(); sys.exit('prefect' in sys.modules)"
    run_alone(cold, code, "embeddings")


def test_what_fits_into_one_shard_starts_no_cluster(embedded: Workspace, cold: Workspace) -> None:
    set_runner(cold, "dask")
    text = cold.params_file.read_text().replace("batches_per_shard: 3", "batches_per_shard: 1000")
    cold.params_file.write_text(text)
    run_stage("embeddings", cold.root)
    assert " on dask" not in counts(cold)["backend"]
    assert cold.embeddings_file.read_bytes() == embedded.embeddings_file.read_bytes()


def test_a_cluster_that_cannot_be_reached_is_named(cold: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    set_runner(cold, "dask")
    monkeypatch.setenv("LORAG_DASK_ADDRESS", "tcp://127.0.0.1:9")
    # Dask has read its variables when it was imported.
    import dask

    soon = dask.config.set({"distributed.comm.timeouts.connect": "2s"})
    with soon, pytest.raises(StoreFailed, match="dask cluster failed"):
        run_stage("embeddings", cold.root)


def test_a_worker_with_another_model_is_refused(embedded: Workspace) -> None:
    params = load_params(embedded.params_file).embedding
    with pytest.raises(IntegrityFailed, match="a worker has the embedder"):
        embed_one_shard(Shard(0, (("a",),)), params, "f" * 64)


def test_shards_hold_every_batch_in_order() -> None:
    batches = [["a"], ["b", "c"], ["d"]]
    shards = cut_shards(batches, 2)
    assert [(shard.first, len(shard.batches)) for shard in shards] == [(0, 2), (2, 1)]
    assert [list(batch) for shard in shards for batch in shard.batches] == batches


def run_alone(workspace: Workspace, code: str, *arguments: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    # On a busy machine it takes minutes.
    environment["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] = "400"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=workspace.root, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
