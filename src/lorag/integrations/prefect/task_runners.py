"""Prefect's task runners on Dask and Ray, and the failures of their clusters as errors of lorag."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prefect.task_runners import TaskRunner

from lorag.errors import ParamsError, StoreFailed
from lorag.params import ComputeParams, TaskRunnerKind

DASK_ADDRESS = "LORAG_DASK_ADDRESS"
RAY_ADDRESS = "RAY_ADDRESS"


def open_task_runner(params: ComputeParams, environment: Mapping[str, str]) -> TaskRunner[Any]:
    """Return a runner on the cluster that the environment names, or on `params.workers` processes on this machine.

    Raises ParamsError if its packages are not installed.
    """
    try:
        if params.task_runner is TaskRunnerKind.DASK:
            return _dask(environment.get(DASK_ADDRESS), params.workers)
        return _ray(environment.get(RAY_ADDRESS), params.workers)
    except ImportError as error:
        raise ParamsError(
            f"{params.task_runner} cannot be imported: {error}",
            where="compute.task_runner",
            do="install lorag[clusters], or set it to threads",
        ) from error


@contextmanager
def cluster_errors(kind: TaskRunnerKind) -> Iterator[None]:
    """Raise StoreFailed if the cluster cannot be reached or has lost the same work again and again."""
    failures: tuple[type[Exception], ...] = (OSError, TimeoutError)
    if kind is TaskRunnerKind.DASK:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        failures = (*failures, KilledWorker, FutureCancelledError)
    else:
        from ray.exceptions import RayError

        failures = (*failures, RayError)
    try:
        yield
    except failures as error:
        message = str(error).strip().splitlines() or [type(error).__name__]
        raise StoreFailed(
            f"the {kind} cluster failed: {message[0][:300]}",
            where=f"compute.task_runner {kind}",
            do="look at its workers, then run this again: the shards that ended are kept",
        ) from error


def _dask(address: str | None, workers: int) -> TaskRunner[Any]:
    from prefect_dask.task_runners import DaskTaskRunner

    if address:
        return DaskTaskRunner(address=address)
    return DaskTaskRunner(
        cluster_kwargs={
            "n_workers": workers,
            "threads_per_worker": 1,
            "processes": True,
            "dashboard_address": "127.0.0.1:0",
        }
    )


def _ray(address: str | None, workers: int) -> TaskRunner[Any]:
    # Ray reads it when it is imported.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    from prefect_ray.task_runners import RayTaskRunner

    here = {"num_cpus": workers, "include_dashboard": False, "log_to_driver": False}
    runner: TaskRunner[Any] = RayTaskRunner(address) if address else RayTaskRunner(init_kwargs=here)
    return runner
