"""One workspace at a path with odd signs, on a machine where everything is set in an odd way, and kills in it.

The numbers in the names are those of the lines in docs/reliability.md.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from lorag.cli import run
from lorag.errors import WorkspaceError
from lorag.integrations.models.cache import home_folder
from lorag.workspace import find_workspace
from tests.faults.conftest import Place, is_locked

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_200)]

MARK = "LORAG_TEST_MARK"
WITHIN_S = 30
"""The processes look every second whether their caller is there; tests run on busy machines."""


def marked(mark: str) -> list[psutil.Process]:
    """The processes with that mark in their environment, zombies left out."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


ODD = "kéda {y} 50%41 #1 ?x=2 \"q\" 'z' [a] $HOME;\\b"


@pytest.fixture(scope="module")
def proxy() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a proxy that answers nobody, and what it was asked."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(1_000))

        threading.Thread(target=refuse, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", asked


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, proxy: tuple[str, list[bytes]]) -> Place:
    root = tmp_path_factory.mktemp("odd")
    other = root / "other"
    subprocess.run(["git", "init", "--quiet", str(other)], check=True)
    environment = {name: proxy[0] for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy")}
    environment |= {"NO_PROXY": "example.org", "no_proxy": "", "GIT_DIR": str(other / ".git")}
    environment |= {"LC_ALL": "C", "PYTHONIOENCODING": "latin-1", "LORAG_HOME": str(home_folder())}
    made = Place(root / ODD / "wörk", root / ODD / "dócs", environment)
    made.source.parent.mkdir()
    made.write_pages("summer")
    (made.source / "бухта?%41.md").write_text("# Бухта\n\nThe bay is closed from 22:15 on.\n")
    run_command(made, "init", str(made.root), "--source", str(made.source), in_workspace=False)
    for name in ("calendar", "socket", "json", "prefect", "dvc", "typing"):
        (made.root / f"{name}.py").write_text("raise SystemExit('the file of a user was imported')\n")
    return made


def run_command(place: Place, *arguments: str, in_workspace: bool = True) -> str:
    done = begin(place, *arguments, in_workspace=in_workspace)
    out, err = done.communicate(timeout=900)
    assert done.returncode == 0, err.decode("latin-1")
    return out.decode("latin-1")


def begin(
    place: Place, *arguments: str, in_workspace: bool = True, out: int = subprocess.PIPE
) -> "subprocess.Popen[bytes]":
    """The command as it is installed, in the workspace's folder."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
    folder = place.root if in_workspace else place.source
    command = [str(Path(sys.executable).parent / "lorag"), *arguments]
    return subprocess.Popen(command, cwd=folder, env={**kept, **place.environment}, stdout=out, stderr=subprocess.PIPE)


def test_strangers_21_22_23_the_main_job_works_there(place: Place, proxy: tuple[str, list[bytes]]) -> None:
    beside = sorted(path.name for path in place.root.parents[1].iterdir())
    assert "21 documents" in run_command(place, "refresh")
    assert "is lit at 8:30 in the summer" in run_command(place, "search", "When is the lamp of pier 7 lit?")
    (place.source / "нов.md").write_text("# Neu\n\nThe quay is new.\n")
    said = run_command(place, "status")
    assert "\\u043d\\u043e\\u0432.md" in said, "what the terminal cannot show is escaped"
    assert proxy[1] == [], "no proxy is asked for what is on this machine"
    assert sorted(path.name for path in place.root.parents[1].iterdir()) == beside, "nothing is written elsewhere"
    assert sorted(path.name for path in place.root.parent.iterdir()) == ["dócs", "wörk"]
    assert (place.root / ".lorag" / "prefect" / "prefect.db").is_file()
    assert (place.root / ".lorag" / "mlflow" / "mlflow.db").is_file()
    other = Path(place.environment["GIT_DIR"])
    assert not (other / "index").exists() and not list((other / "objects").glob("??")), "its repository is left alone"
    assert "refresh full" in run_command(place, "costs")


def test_strangers_23_a_full_disk_behind_standard_output_is_one_line(place: Place) -> None:
    for arguments in (["releases"], ["releases", "--json"], ["search", "", "--json"]):
        with open("/dev/full", "wb") as full:
            process = begin(place, *arguments, out=full.fileno())
            _, err = process.communicate(timeout=300)
        if "search" in arguments:
            assert process.returncode == 2 and len(err.splitlines()) == 1
            continue
        assert process.returncode == 5
        assert err.decode("latin-1").splitlines() == [
            "error[E030] cannot print: No space left on device \\u2013 standard output \\u2013 free disk space"
        ]


@pytest.fixture
def mark() -> Iterator[str]:
    mark = uuid4().hex
    yield mark
    for process in marked(mark):
        process.kill()


FULL = pytest.mark.full
TRIALS = [(number, 0.4 * step) for number in (signal.SIGKILL, signal.SIGTERM) for step in range(1, 21)]


@FULL
@pytest.mark.parametrize(("number", "after_s"), TRIALS)
def test_faults_2_nothing_outlives_a_refresh_that_is_killed_alone(
    place: Place, mark: str, number: signal.Signals, after_s: float
) -> None:
    place = replace(place, environment={**place.environment, MARK: mark})
    place.write_pages(f"season {mark[:6]}")
    running = place.begin("refresh")
    began = time.monotonic()
    while len(marked(mark)) < 2 or time.monotonic() - began < after_s:
        if running.poll() is not None:
            break
        time.sleep(0.05)
    started = len(marked(mark))
    running.send_signal(number)
    # Whoever reads its output, as in `lorag refresh | tee`, sees its end only once every process has closed it.
    running.communicate(timeout=WITHIN_S)
    ends = time.monotonic() + WITHIN_S
    while (left := marked(mark)) and time.monotonic() < ends:
        time.sleep(0.1)
    assert left == []
    assert running.returncode in (-number, 0) and (started > 1 or running.returncode == 0)
    assert not is_locked(place)
    assert "the lamp of pier 7" in place.lamp().lower(), "something whole is served"


@FULL
def test_faults_2_the_next_refresh_finishes_the_work(place: Place) -> None:
    place.write_pages("winter")
    assert place.call("refresh")["published"]
    assert "winter" in place.lamp()
    assert place.call("doctor")["healthy"]


@pytest.mark.parametrize("name", ["a\nb", "a\x1b[31mb", b"a\xffb"])
def test_strangers_21_a_path_that_no_record_can_hold_is_refused(tmp_path: Path, name: str | bytes) -> None:
    root = tmp_path / (os.fsdecode(name) if isinstance(name, bytes) else name)
    (tmp_path / "docs").mkdir()
    assert run(["init", str(root), "--source", str(tmp_path / "docs")]) == 2
    assert not root.exists()
    root.mkdir()
    for file in ("params.yaml", "dvc.yaml"):
        (root / file).touch()
    with pytest.raises(WorkspaceError, match="another name"):
        find_workspace(root)
