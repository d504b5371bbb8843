"""Background processes: found while they run, ended with their children, never mistaken for a stranger."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lorag.integrations.machine.background_process import BackgroundShelf

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
PARENT = [sys.executable, "-c", f"import subprocess; subprocess.run({SLEEP!r})"]


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[BackgroundShelf]:
    shelf = BackgroundShelf(tmp_path / "run")
    yield shelf
    for name in ("a", "b"):
        shelf.stop(name)


def test_a_process_is_found_until_it_is_stopped(shelf: BackgroundShelf, tmp_path: Path) -> None:
    started = shelf.start("a", SLEEP, os.environ, tmp_path, "http://127.0.0.1:1")
    assert shelf.find("a") == started
    assert shelf.find("b") is None
    assert shelf.stop("a")
    assert not psutil.pid_exists(started.pid) or psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE
    assert shelf.find("a") is None
    assert not shelf.stop("a"), "twice is no error"


def test_its_children_end_with_it(shelf: BackgroundShelf, tmp_path: Path) -> None:
    process = psutil.Process(shelf.start("a", PARENT, os.environ, tmp_path).pid)
    end = time.monotonic() + 60
    while not (children := process.children()):
        assert time.monotonic() < end
        time.sleep(0.05)
    shelf.stop("a")
    _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive


def test_a_stale_record_kills_no_stranger(shelf: BackgroundShelf, tmp_path: Path) -> None:
    stranger = subprocess.Popen(SLEEP)
    try:
        shelf.folder.mkdir()
        began = psutil.Process(stranger.pid).create_time() - psutil.boot_time()
        record = {"name": "a", "pid": stranger.pid, "started_s": began - 60, "address": None}
        (shelf.folder / "a.json").write_text(json.dumps(record))
        assert shelf.find("a") is None
        assert not shelf.stop("a")
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_is_found_after_the_clock_was_set(
    shelf: BackgroundShelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = shelf.start("a", SLEEP, os.environ, tmp_path)
    boot_s = psutil.boot_time()
    # On Linux a clock that is set moves the time of boot, and with it that of each process.
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: boot_s + 30)
    assert psutil.boot_time() == boot_s + 30
    assert shelf.find("a") == started
    assert shelf.stop("a")
    assert not psutil.pid_exists(started.pid) or psutil.Process(started.pid).status() == psutil.STATUS_ZOMBIE


def test_a_process_that_ended_is_not_found_and_its_last_words_are_told(shelf: BackgroundShelf, tmp_path: Path) -> None:
    shelf.start("a", [sys.executable, "-c", "raise SystemExit('the port is taken')"], os.environ, tmp_path)
    end = time.monotonic() + 60
    while shelf.find("a"):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "the port is taken" in str(shelf.failed("a"))
