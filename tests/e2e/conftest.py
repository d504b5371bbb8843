"""A command line in this process, with one Prefect server and one import of the stages for all tests."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lorag.cli import run
from lorag.integrations.prefect import own_server
from tests.e2e.stage_forks import forked_stages

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
    # The server of a command, which has its database at once. Prefect's own for tests makes one in half a minute.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(own_server, "_is_named", lambda *_: False)
        own_server.start_own_server()
    own_server.wait_for_own_server()
    # From here on it is a server that somebody has named.
    own_server._started.clear()
    del os.environ[own_server.OWN_API]

    from prefect.context import _temporary_global_settings_context, get_settings_context
    from prefect.settings import PREFECT_API_URL, temporary_settings

    named = temporary_settings({PREFECT_API_URL: os.environ["PREFECT_API_URL"]})
    with named, _temporary_global_settings_context(get_settings_context()):
        yield


@pytest.fixture(scope="session", autouse=True)
def _stages() -> Iterator[None]:
    with forked_stages() as stages_run, pytest.MonkeyPatch.context() as patched:
        patched.setattr("lorag.commands.knowledge.start_stage_process", lambda: None)
        patched.setattr("lorag.integrations.dvc.dvc_repo.stages_run_by_process", stages_run)
        yield


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    def call(*arguments: str | Path) -> Outcome:
        capfd.readouterr()
        status = run([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return Outcome(status, out, err)

    return call
