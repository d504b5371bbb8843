"""The command line as processes of their own, beside servers that are killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock, Timeout

from tests import servers

ROOT = Path(__file__).parents[2]


@dataclass
class Place:
    """A workspace, the folder that it follows, and the environment of its commands."""

    root: Path
    source: Path
    environment: dict[str, str] = field(default_factory=dict)

    def write_pages(self, season: str) -> None:
        self.source.mkdir(exist_ok=True)
        for number in range(20):
            text = f"# Pier {number}\n\nThe lamp of pier {number} is lit at {number + 1}:30 in the {season} season.\n"
            (self.source / f"pier{number}.md").write_text(text)

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "lorag.cli", "--workspace", str(self.root), *arguments]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
        return subprocess.Popen(
            command,
            env={**kept, **self.environment},
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(self, *arguments: str) -> dict[str, Any]:
        """What a command that succeeds prints as JSON."""
        ended = end(self.begin(*arguments, "--json"))
        assert ended.status == 0, ended.err
        return ended.json

    def lamp(self) -> str:
        """What is served on one lamp."""
        text: str = self.call("search", "lamp of pier 7", "-k", "1")["hits"][0]["text"]
        return text

    def served(self) -> str:
        release: str = self.call("releases")["served"]
        return release

    def wanted_digest(self) -> str:
        """The content digest of the artifacts, which no store has a part in."""
        digest: str = json.loads((self.root / "reports" / "index.json").read_text())["content_digest"]
        return digest


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str
    took_s: float

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


def end(process: "subprocess.Popen[str]", timeout_s: float = 900) -> Ended:
    begun = time.monotonic()
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Ended(process.returncode, out, err, time.monotonic() - begun)


def wait_until(happened: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Returns when it has happened, while the refresh still runs."""
    until = time.monotonic() + 600
    while not happened():
        assert process.poll() is None, f"it ended before: {process.communicate()}"
        assert time.monotonic() < until
        time.sleep(0.02)


def is_locked(place: Place) -> bool:
    """Whether a refresh is under way."""
    lock = FileLock(place.root / ".lorag" / "writer.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A Prefect server for all tests that do not kill it."""
    with servers.prefect(tmp_path_factory.mktemp("prefect"), {}) as server:
        yield server.environment


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace of `works.make`, which tests copy; made once, also where several processes run the tests."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "made_for_faults"
    code = "import sys; from pathlib import Path; from tests.faults.works import make; make(Path(sys.argv[1]))"
    with FileLock(folder.with_suffix(".lock")):
        if not folder.is_dir():
            folder.mkdir()
            subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace that has never been refreshed."""
    made = Place(tmp_path / "w", tmp_path / "docs")
    made.write_pages("summer")
    command = [sys.executable, "-m", "lorag.cli", "init", str(made.root), "--source", str(made.source)]
    subprocess.run(command, check=True, capture_output=True)
    return made
