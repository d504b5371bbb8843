"""A Prefect worker whose runs begin at once: a process that has imported what flows need waits for the next run."""

import asyncio
import atexit
import importlib
import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
from prefect.runner import _starter_engine
from prefect.workers.process import ProcessWorker

from lorag.integrations.dvc.stage_process import FORKABLE_FOR_STAGES, STAGES_MODULE, fork_stage_process
from lorag.integrations.machine.process_tree import end_with
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
    # The process to fork from is still importing.
    threading.Thread(target=_prepare_next, name="prepares-a-run", daemon=True).start()
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
    waiting = await anyio.to_thread.run_sync(_take_waiting)
    waiting.order.send((wanted, str(cwd) if cwd else None))
    process = waiting.process
    task_status.started(task_status_handler(process) if task_status_handler else process.pid)
    await anyio.to_thread.run_sync(process.join, abandon_on_cancel=True)
    # After the run and not during it, because both would want the same processors.
    await anyio.to_thread.run_sync(_prepare_next)
    return process


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A process that waits for the environment and the folder of a run."""

    process: BaseProcess
    order: Connection


_waiting: list[_Waiting] = []


def _take_waiting() -> _Waiting:
    while _waiting:
        if (found := _waiting.pop()).process.is_alive():
            return found
    _prepare_next()
    return _waiting.pop()


def _prepare_next() -> None:
    if _waiting:
        return
    given, order = _FORKED.Pipe(duplex=False)
    process = _FORKED.Process(target=_run_engine, args=(given, os.getpid()))
    process.start()
    given.close()
    _waiting.append(_Waiting(process, order))


def _run_engine(given: Connection, worker: int) -> None:
    """Import what is left, wait for a run, do what `python -m prefect.engine` does, end what it may have left running.

    If the worker ends, so does this process, with or without a run.
    """
    os.setsid()
    # While this process has no other thread.
    stages = importlib.import_module(STAGES_MODULE)
    fork_stage_process(stages.run_here, stages.import_threaded)
    # It looks from a thread, and the worker is not the parent of this process.
    end_with(worker)
    import_ahead()
    try:
        environment, folder = given.recv()
    except EOFError:
        _end_group()
        return
    os.environ.clear()
    os.environ.update(environment)
    if folder:
        os.chdir(folder)
    # The engine takes the run from the environment where it has no argument.
    sys.argv = _ENGINE[1:]
    try:
        runpy.run_module(_ENGINE[1], run_name="__main__", alter_sys=True)
    finally:
        # A forked process ends without its exit functions, and Prefect sends the last log lines in one of them.
        atexit._run_exitfuncs()
        _end_group()


def _end_group() -> None:
    # A cancelled run's stages are processes of their own, and would continue.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
