"""One process for the stages of a refresh, started before DVC asks for the first of them.

DVC starts a process for each stage, and each would import the same libraries again. This one imports them while the
caller and its Prefect server start, and then runs one stage after the other.
"""

import atexit
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from lorag.integrations.machine.process_tree import end_with

STAGES_MODULE = "lorag.stages"
"""The module that the commands of dvc.yaml run."""

FORKABLE_FOR_STAGES = (
    "lorag.use_cases.refresh.pipeline",
    "lorag.integrations.models.embedders",
    "lorag.integrations.great_expectations.suites",
    "great_expectations.expectations",
    "lorag.use_cases.asking.golden",
)
"""What the stages of a refresh import, in their order. They start no thread: a process may be forked afterwards."""

SERVE = "--serve"
_COMMAND = re.compile(rf"python -m {re.escape(STAGES_MODULE)} (?P<stage>\w+)(?: (?P<variant>\w+))?")

_INTERRUPTED = (f", exited with {-signal.SIGINT}", ", exited with 130")
"""How DVC reports a stage that an interrupt ended, directly or through a shell."""

RunStage = Callable[[Sequence[str]], int]
"""A function that runs the stage that its arguments name, and returns an exit status."""


@dataclass(frozen=True, slots=True)
class StageProcess:
    """A process that runs stages; the other end of `connection` is in it, and `wait` returns once it has ended."""

    connection: socket.socket
    pid: int
    wait: Callable[[], object]

    def run(self, arguments: Sequence[str], folder: str, environment: Mapping[str, str]) -> int:
        """Run a stage with this working directory and environment; return its exit status, 1 if the process died."""
        order = {"arguments": list(arguments), "folder": folder, "environment": dict(environment)}
        try:
            with self.connection.makefile("rw", encoding="utf-8") as stream:
                stream.write(json.dumps(order) + "\n")
                stream.flush()
                answer = stream.readline()
        except OSError:
            answer = ""
        if not answer:
            end_stage_process()
            return 1
        return int(json.loads(answer))

    def end(self) -> None:
        """End the process, and return once it has ended. It may still be importing what nobody needs any more."""
        self.connection.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()


_started: list[StageProcess] = []
atexit.register(lambda: end_stage_process())


def start_stage_process() -> None:
    """Start the process, which begins to import what the stages of a refresh need; return at once."""
    end_stage_process()
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", STAGES_MODULE, SERVE, str(theirs.fileno()), str(os.getpid())],
            pass_fds=[theirs.fileno()],
            # Not in the group that a terminal interrupts: this process ends it, and it has nothing to say of its own.
            process_group=0,
        )
    _started.append(StageProcess(ours, process.pid, process.wait))


def fork_stage_process(run: RunStage, prepare: Callable[[], object] = lambda: None) -> None:
    """Fork the process from this one, which has imported what stages need and must not have any other thread yet.

    The new process calls `prepare` first, for what starts threads.
    """
    ours, theirs = socket.socketpair()
    caller = os.getpid()
    if pid := os.fork():
        theirs.close()
        _started.append(StageProcess(ours, pid, partial(os.waitpid, pid, 0)))
        return
    ours.close()
    try:
        prepare()
        serve_stages(theirs.detach(), caller, run)
    finally:
        # Nothing that the caller has prepared for its own end is done here.
        os._exit(1)


def end_stage_process() -> None:
    """End the process if one was started: it holds the memory of all that it has imported."""
    while _started:
        _started.pop().end()


def serve_stages(descriptor: int, caller: int, run: RunStage) -> None:
    """Run the stages that the caller asks for; end this process once the connection is closed or the caller ended."""
    end_with(caller)
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rw", encoding="utf-8") as stream:
        for line in stream:
            order = json.loads(line)
            os.environ.clear()
            os.environ.update(order["environment"])
            os.chdir(order["folder"])
            stream.write(f"{run(order['arguments'])}\n")
            stream.flush()
    # At once: nothing is left to do, and to take down so many libraries takes a while.
    os._exit(0)


@contextmanager
def stages_run_by_process(names: Collection[str]) -> Iterator[None]:
    """Let DVC have these stages run by the process, if one was started; it starts a process for each other stage.

    The process ends with the context, or before it if it has no stage to run: other stages need the memory.
    """
    from dvc.stage import run as dvc_run
    from dvc.stage.exceptions import StageCmdFailedError

    # DVC has no other place for a command that is not run by a shell.
    module: Any = dvc_run
    by_shell = module._run

    def run(executable: str, cmd: str, **options: Any) -> None:
        found = _COMMAND.fullmatch(cmd)
        if found is None or found["stage"] not in names or not _started:
            _run_by_shell(by_shell, executable, cmd, **options)
            return
        arguments = [part for part in found.groups() if part]
        if status := _started[0].run(arguments, options["cwd"], options["env"]):
            raise StageCmdFailedError(cmd, status)

    def _run_by_shell(by_shell: Callable[..., None], executable: str, cmd: str, **options: Any) -> None:
        try:
            by_shell(executable, cmd, **options)
        except StageCmdFailedError as error:
            # DVC ignores an interrupt while a stage runs, and takes the end of the stage for a failure.
            if str(error).endswith(_INTERRUPTED):
                raise KeyboardInterrupt from error
            raise

    if not names:
        end_stage_process()
    module._run = run
    try:
        yield
    finally:
        module._run = by_shell
        end_stage_process()
