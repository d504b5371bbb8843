"""The flow that embeds texts shard by shard, on Dask or Ray."""

from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from prefect import flow
from prefect.context import FlowRunContext
from prefect.futures import as_completed
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.steps import as_task
from lorag.integrations.prefect.task_runners import cluster_errors, open_task_runner
from lorag.params import ComputeParams, EmbeddingParams
from lorag.retrieval.embed import Embedder, embed_batches
from lorag.use_cases.refresh.embed_shards import EmbeddedShard, Shard, cut_shards, embed_one_shard

embed_shard = as_task("embed_shard", embed_one_shard)


@dataclass(frozen=True, slots=True)
class _Work:
    shards: Sequence[Shard]
    embedding: EmbeddingParams
    fingerprint: str


# Prefect's server stores a flow's parameters and sends them with every task: they must not contain texts.
_WORK: ContextVar[_Work] = ContextVar("work")


def _current_work() -> _Work:
    # The flow itself is also sent, by value, and a context variable cannot be.
    return _WORK.get()


@flow(name="embed_shards", persist_result=False, validate_parameters=False)
def embed_shards(n_shards: int) -> Iterator[EmbeddedShard]:
    """Yield the shards of `_WORK` as they are done. If a worker dies, another one computes its shard."""
    work = _current_work()
    run = FlowRunContext.get()
    # Only this process knows a temporary server; without its address each worker would start another one.
    api = {PREFECT_API_URL: str(run.client.api_url).rstrip("/")} if run else {}
    with temporary_settings(api):
        futures = [embed_shard.submit(shard, work.embedding, work.fingerprint) for shard in work.shards[:n_shards]]
    for future in as_completed(futures):
        yield future.result()


@dataclass(frozen=True, slots=True)
class Cluster:
    """The cluster that params and the environment name; `backends` are those that computed some batches."""

    embedder: Embedder
    embedding: EmbeddingParams
    params: ComputeParams
    environment: Mapping[str, str]
    backends: set[str] = field(default_factory=set)

    def compute(self, batches: Sequence[Sequence[str]]) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Compute batches, as a ComputeBatches. A single shard is computed here: a cluster takes longer to start."""
        shards = cut_shards(batches, self.params.batches_per_shard)
        if len(shards) < 2:
            self.backends.add(self.embedder.backend)
            yield from enumerate(embed_batches(batches, self.embedder))
            return
        runner = open_task_runner(self.params, self.environment)
        _WORK.set(_Work(shards, self.embedding, self.embedder.fingerprint))
        with cluster_errors(self.params.task_runner):
            for done in embed_shards.with_options(task_runner=runner)(len(shards)):
                self.backends.add(f"{done.backend} on {self.params.task_runner}")
                yield from enumerate(done.vectors, done.first)
