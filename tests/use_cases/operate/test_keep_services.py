"""Faults 14 and 15: what ended is seen, started again a few times, and a start that fails leaves nothing running."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lorag.errors import StoreFailed
from lorag.params_file import load_params
from lorag.use_cases.init_workspace import template
from lorag.use_cases.operate import keep_services as module
from lorag.use_cases.operate.keep_services import MOST_STARTS, check_services, find_services, keep_services
from lorag.use_cases.operate.operate import say_looked, start_all
from lorag.use_cases.operate.operate_servers import background_shelf
from lorag.workspace import Workspace

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / ".lorag").mkdir()
    return Workspace(tmp_path)


def test_faults_14_a_service_that_was_killed_is_named(workspace: Workspace) -> None:
    assert find_services(workspace) == {}
    shelf = background_shelf(workspace)
    watch = shelf.start("watch", SLEEP, os.environ, workspace.root)
    shelf.start("worker", SLEEP, os.environ, workspace.root)
    say_looked(workspace)
    assert [check.problem for check in check_services(workspace)] == [None, None]
    look_s = find_services(workspace)["watch"].last_look_s
    assert look_s is not None and look_s < 60
    os.kill(watch.pid, signal.SIGKILL)
    os.waitpid(watch.pid, 0)
    state = find_services(workspace)["watch"]
    assert (state.running, state.pid, state.last_look_s) == (False, None, None)
    assert [bool(check.problem) for check in check_services(workspace)] == [False, True]
    assert shelf.stop("worker") and not shelf.stop("watch")
    assert find_services(workspace) == {}, "what was stopped is not missed"


class Over(Exception):
    """Ends the loop of a test."""


def test_faults_14_what_ends_again_and_again_is_left_alone(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shelf = background_shelf(workspace)
    started = []

    def start(*_: object, only: set[str]) -> None:
        started.append(set(only))
        process = shelf.start("watch", [sys.executable, "-c", ""], os.environ, workspace.root)
        # Python may have waited for it already, where it starts another process.
        with suppress(ChildProcessError):
            os.waitpid(process.pid, 0)

    start(only={"watch"})
    monkeypatch.setattr(module, "start_all", start)
    params = load_params(template("params.yaml"))
    with pytest.raises(Over):
        keep_services(workspace, params, {}, lambda: None, _pauses(2 * (MOST_STARTS + 5)))
    assert started == [{"watch"}] * (MOST_STARTS + 1)
    assert find_services(workspace)["watch"].started_again == MOST_STARTS
    assert "is not started again" in caplog.text


def _pauses(most: int) -> Callable[[float], None]:
    left = [most]

    def pause(_: float) -> None:
        left[0] -= 1
        if not left[0]:
            raise Over

    return pause


def test_faults_14_what_a_killed_service_had_started_ends_with_its_record(workspace: Workspace) -> None:
    shelf = background_shelf(workspace)
    parent = shelf.start("mlflow", [sys.executable, "-c", f"{PARENT}; time.sleep(600)"], os.environ, workspace.root)
    ends = time.monotonic() + 60
    while not (children := psutil.Process(parent.pid).children()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    shelf.end_leftovers("mlflow")
    assert children[0].is_running(), "while it runs, nothing is left over"
    os.kill(parent.pid, signal.SIGKILL)
    os.waitpid(parent.pid, 0)
    shelf.end_leftovers("mlflow")
    assert not children[0].is_running() or children[0].status() == psutil.STATUS_ZOMBIE


def test_faults_15_nothing_is_started_if_a_port_is_taken(workspace: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environment = {**os.environ, "MLFLOW_PORT": str(taken.getsockname()[1]), "LORAG_PREFECT_PORT": "43117"}
        with pytest.raises(StoreFailed, match="is taken"):
            start_all(workspace, load_params(template("params.yaml")), environment)
    assert find_services(workspace) == {}
