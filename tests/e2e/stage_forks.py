"""Stages in processes that are forked from one that has imported what stages need.

Each stage that DVC runs imports for seconds of processor time. A person refreshes now and then, these tests hundreds of
times, so one process imports for all of them. What a stage does is the same, and it has a process to itself.
"""

import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

IMPORTED = (
    "lorag.stages",
    "lorag.use_cases.refresh.pipeline",
    "lorag.use_cases.asking.golden",
    "lorag.use_cases.asking.answer_questions",
    "lorag.use_cases.asking.versions",
    "lorag.use_cases.compare.compare_answers",
    "lorag.use_cases.retrain.build_training_set",
    "lorag.use_cases.retrain.evaluate_adapter",
    "lorag.use_cases.retrain.train_adapter",
    "lorag.integrations.great_expectations.suites",
    "great_expectations.expectations",
    "lorag.integrations.lora.training",
    "lorag.integrations.models.embedders",
)
"""What the stages import. None of it starts a thread, which a forked process would lack."""

RunStage = Callable[[Sequence[str], str, dict[str, str]], int]
StagesRun = Callable[[Collection[str]], Any]


@contextmanager
def forked_stages() -> Iterator[StagesRun]:
    """Yield what stands in for `stages_run_by_process`."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-P", __file__, str(theirs.fileno())]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with theirs, subprocess.Popen(command, env=environment, pass_fds=[theirs.fileno()], process_group=0) as process:

        def run(arguments: Sequence[str], folder: str, stage_environment: dict[str, str]) -> int:
            here, there = socket.socketpair()
            with here, there:
                socket.send_fds(ours, [b"fork"], [there.fileno(), 1, 2])
                there.close()
                with here.makefile("rw", encoding="utf-8") as stream:
                    stream.write(json.dumps([list(arguments), folder, stage_environment]) + "\n")
                    stream.flush()
                    return int(stream.readline() or 1)

        try:
            yield lambda names: _dvc_runs_stages_by(run)
        finally:
            ours.close()
            process.kill()


@contextmanager
def _dvc_runs_stages_by(run_stage: RunStage) -> Iterator[None]:
    from dvc.stage import run as dvc_run
    from dvc.stage.exceptions import StageCmdFailedError

    from lorag.integrations.dvc.stage_process import _COMMAND

    module: Any = dvc_run
    by_shell = module._run

    def run(executable: str, cmd: str, **options: Any) -> None:
        if (found := _COMMAND.fullmatch(cmd)) is None:
            by_shell(executable, cmd, **options)
        elif status := run_stage([part for part in found.groups() if part], options["cwd"], options["env"]):
            raise StageCmdFailedError(cmd, status)

    module._run = run
    try:
        yield
    finally:
        module._run = by_shell


def serve(descriptor: int) -> None:
    """Fork a process for each stage that is asked for, until the connection is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Great Expectations reads this when it is imported.
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    for name in IMPORTED:
        importlib.import_module(name)
    gc.freeze()
    # Nobody asks how they ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(fileno=descriptor) as orders:
        while True:
            message, given, *_ = socket.recv_fds(orders, 16, 3)
            if not message:
                return
            if os.fork() == 0:
                orders.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _run_one(*given)
            for each in given:
                os.close(each)


def _run_one(connection: int, out: int, err: int) -> None:
    from lorag import stages
    from lorag.console.terminal import set_up_logging

    os.dup2(out, 1)
    os.dup2(err, 2)
    with socket.socket(fileno=connection) as caller, caller.makefile("rw", encoding="utf-8") as stream:
        arguments, folder, environment = json.loads(stream.readline())
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        set_up_logging(debug=False)
        stream.write(f"{stages.run_here(arguments)}\n")
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
