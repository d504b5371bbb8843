"""A Prefect worker whose runs begin at once: it forks them from a process that has imported what flows need."""

import asyncio
import atexit
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
from prefect.runner import _starter_engine
from prefect.workers.process import ProcessWorker

from lorag.integrations.dvc.stage_process import FORKABLE_FOR_STAGES, STAGES_MODULE, fork_stage_process
from lorag.integrations.mlflow.tracking import set_up_mlflow
from lorag.integrations.prefect.import_ahead import FORKABLE, import_ahead
from lorag.integrations.prefect.runs import settle_leftovers

_ENGINE = ["-m", "prefect.engine"]
_IMPORTED = (
    __name__,
    "prefect.flow_engine",
    "prefect.client.orchestration",
    "prefect.runtime",
    *FORKABLE,
    STAGES_MODULE,
    *FORKABLE_FOR_STAGES,
)
_FORKED = multiprocessing.get_context("forkserver")
# The module in which Prefect starts its engine; it says that its name `run_process` may be replaced.
_STARTER: Any = _starter_engine
_run_process = _STARTER.run_process


def run_worker(pool: str, flows: Sequence[str], started: Callable[[], None]) -> None:
    """Run what is scheduled for a work pool, one run at a time, until this process is asked to end.

    `flows` are modules to import ahead. `started` is called once the worker listens. A run in progress ends with the
    worker. A run that an earlier worker left unfinished is first marked as crashed, because no other worker serves this
    pool. Raises WorkspaceError if the settings name no server.
    """
    settle_leftovers(pool)
    set_up_mlflow()
    # Great Expectations reads it when it is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    forkserver.set_forkserver_preload([*_IMPORTED, *flows])
    forkserver.ensure_running()
    _STARTER.run_process = _run_engine_or_process
    # An interrupt cancels the worker's task, whose contexts end its runs; a shell may have made it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    worker = ProcessWorker(work_pool_name=pool, name=f"{pool} {os.getpid()}", limit=1)
    try:
        asyncio.run(worker.start(printer=lambda _: started()))
    except KeyboardInterrupt:
        return


async def _run_engine_or_process(
    command: list[str],
    *,
    env: Mapping[str, str | None] | None = None,
    cwd: Path | str | None = None,
    task_status: anyio.abc.TaskStatus[Any] = anyio.TASK_STATUS_IGNORED,
    task_status_handler: Callable[[Any], Any] | None = None,
    **other: Any,
) -> Any:
    if command[1:] != _ENGINE:
        return await _run_process(
            command, env=env, cwd=cwd, task_status=task_status, task_status_handler=task_status_handler, **other
        )
    wanted = {name: value for name, value in (env or {}).items() if value is not None}
    process = _FORKED.Process(target=_run_engine, args=(wanted, str(cwd) if cwd else None))
    process.start()
    task_status.started(task_status_handler(process) if task_status_handler else process.pid)
    await anyio.to_thread.run_sync(process.join, abandon_on_cancel=True)
    return process


def _run_engine(environment: Mapping[str, str], folder: str | None) -> None:
    """Do in the new process what `python -m prefect.engine` does, and then end what it may have left running."""
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    # While this process has no other thread.
    fork_stage_process(importlib.import_module(STAGES_MODULE).run_here)
    # The engine takes the run from the environment where it has no argument.
    sys.argv = _ENGINE[1:]
    import_ahead()
    try:
        runpy.run_module(_ENGINE[1], run_name="__main__", alter_sys=True)
    finally:
        # A forked process ends without its exit functions, and Prefect sends the last log lines in one of them.
        atexit._run_exitfuncs()
        # A cancelled run's stages are processes of their own, and would continue.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)
