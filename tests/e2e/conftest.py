"""A command line in this process, with one Prefect server for all tests."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lorag.cli import run
from lorag.integrations.mlflow.moved import move_artifacts

# As the command line does. Read when Prefect is imported; its handler would write to a stream that pytest has closed.
os.environ["PREFECT_LOGGING_LEVEL"] = os.environ["PREFECT_SERVER_LOGGING_LEVEL"] = "CRITICAL"
# Read then, too. Each process of the tests has its own, and none that of whoever runs them.
_prefect_home = tempfile.TemporaryDirectory(prefix="lorag-prefect-")
os.environ["PREFECT_HOME"] = _prefect_home.name


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


Cli = Callable[..., Outcome]


@pytest.fixture(scope="session", autouse=True)
def _prefect() -> Iterator[None]:
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=300):
        yield


def copy_workspace(made: Path, copy: Path) -> None:
    """Copy a folder with a workspace `w` and its source; the copy follows its own source."""
    shutil.copytree(made, copy, symlinks=True, dirs_exist_ok=True)
    for name in ("params.yaml", ".dvc/config"):
        path = copy / "w" / name
        path.write_text(path.read_text().replace(str(made), str(copy)))
    move_artifacts(copy / "w" / ".lorag" / "mlflow" / "mlflow.db", copy / "w")


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(status, out, err)

    return call
