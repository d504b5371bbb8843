"""A refresh that is killed, and one that comes while another runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lorag import Workspace
from lorag.failpoints import FAILPOINT, TEST
from lorag.use_cases.init_workspace import init_workspace
from tests.copies import copy_workspace
from tests.e2e.conftest import Cli

pytestmark = pytest.mark.slow
FULL = pytest.mark.full


def write_pages(source: Path, edition: str) -> None:
    source.mkdir(exist_ok=True)
    for number in range(20):
        text = f"# Pier {number}\n\nThe lamp of pier {number} is lit at {number + 1}:30 in the {edition} season.\n"
        (source / f"pier{number}.md").write_text(text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that serves the edition of summer."""
    folder = tmp_path_factory.mktemp("made")
    write_pages(folder / "docs", "summer")
    init_workspace(folder / "w", folder / "docs", None)
    Workspace.open(folder / "w").refresh()
    return folder


@pytest.fixture
def workspace(made: Path, tmp_path: Path) -> Path:
    """A copy of it that follows a source of its own."""
    copy_workspace(made, tmp_path)
    return tmp_path / "w"


@pytest.fixture
def running_refresh(workspace: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A refresh in a process of its own, stopped where it holds the writer's lock and has copied the source."""
    write_pages(tmp_path / "docs", "winter")
    command = [sys.executable, "-m", "lorag.cli", "--workspace", str(workspace), "refresh"]
    process = subprocess.Popen(
        command,
        env={**os.environ, TEST: "1", FAILPOINT: "snapshot.copied:stop"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 120
    while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.05)
    yield process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@FULL
@pytest.mark.parametrize("delay_s", [0.5, 3.0, 12.0])
def test_whatever_moment_it_is_killed_a_whole_release_is_served(
    workspace: Path, running_refresh: subprocess.Popen[bytes], delay_s: float, cli: Cli
) -> None:
    before = cli("--workspace", workspace, "releases", "--json").json["served"]
    refused = cli("--workspace", workspace, "rollback", "--json")
    assert refused.status == 6, "one writer at a time"
    assert refused.json["error"]["code"] == "E040"

    running_refresh.send_signal(signal.SIGCONT)
    time.sleep(delay_s)
    os.killpg(running_refresh.pid, signal.SIGKILL)
    running_refresh.wait()
    after = cli("--workspace", workspace, "releases", "--json").json["served"]
    found = cli("--workspace", workspace, "search", "lamp of pier 7", "-k", "1", "--json").json["hits"][0]["text"]
    assert ("summer" in found) == (after == before)
    checks = cli("--workspace", workspace, "doctor", "--json").json["checks"]
    assert [check for check in checks if check["problem"]] == []

    again = cli("--workspace", workspace, "refresh", "--json")
    assert again.status == 0, again.err
    assert "winter" in cli("--workspace", workspace, "search", "lamp of pier 7", "--json").json["hits"][0]["text"]
    last = cli("--workspace", workspace, "refresh", "--json").json
    assert (last["release"], last["published"]) == (again.json["release"], False)
    assert last["plan"]["embedded"] == 0


@pytest.mark.parametrize("kept_share", [pytest.param(0, marks=FULL), 0.6])
def test_what_dvc_was_writing_when_it_was_killed_is_in_nobodys_way(
    workspace: Path, tmp_path: Path, kept_share: float, cli: Cli
) -> None:
    write_pages(tmp_path / "docs", "winter")
    (workspace / ".dvc" / "tmp" / "rwlock").write_text('{"read": {"data/sou')
    lock = (workspace / "dvc.lock").read_text()
    (workspace / "dvc.lock").write_text(lock[: int(kept_share * len(lock))])
    assert cli("--workspace", workspace, "refresh", "--json").status == 0
    assert "winter" in cli("--workspace", workspace, "search", "lamp of pier 7", "--json").json["hits"][0]["text"]
    assert cli("--workspace", workspace, "refresh", "--json").json["published"] is False


def test_conflicts_in_dvc_lock_are_left_to_their_owner(workspace: Path, cli: Cli) -> None:
    conflict = "<<<<<<< HEAD\nschema: '2.0'\n=======\nschema: '2.1'\n>>>>>>> theirs\n"
    (workspace / "dvc.lock").write_text(conflict)
    assert cli("--workspace", workspace, "refresh", "--json").status == 5
    assert (workspace / "dvc.lock").read_text() == conflict


@FULL
def test_a_second_refresh_is_told_that_one_runs(
    workspace: Path, running_refresh: subprocess.Popen[bytes], cli: Cli
) -> None:
    second = cli("--workspace", workspace, "refresh", "--json")
    assert second.status == 6, second.err
    assert "another refresh" in second.err
    assert "Traceback" not in second.err
    running_refresh.send_signal(signal.SIGCONT)
    assert running_refresh.wait(timeout=300) == 0, "the first one went on undisturbed"
