"""A home folder of its own in which lorag runs by itself, as on somebody's machine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.integrations.machine.background_process import BackgroundShelf
from lorag.integrations.machine.local_http import is_free
from lorag.integrations.models.cache import home_folder

PATIENCE_S = 600
"""Tests run on busy machines: what is measured is printed, not asserted."""


@dataclass(frozen=True)
class Machine:
    """A home folder, the folder of its workspace, and a shell in it that has lorag."""

    home: Path
    environment: dict[str, str]

    @property
    def workspace(self) -> Path:
        return self.home / "handbook"

    def run(self, command: str) -> str:
        folder = self.workspace if self.workspace.is_dir() else self.home
        done = subprocess.run(
            ["bash", "-ec", command], cwd=folder, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, command: str) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.run(f"{command} --json"))
        return value

    def api(self, path: str, body: dict[str, Any]) -> Any:
        from httpx import post

        port = self.environment["LORAG_PREFECT_PORT"]
        return post(f"http://127.0.0.1:{port}/api/{path}", json=body, timeout=PATIENCE_S).raise_for_status().json()

    def completed(self, flow: str) -> list[dict[str, Any]]:
        """The runs of a flow that ended well, the newest first."""
        runs = self.api("flow_runs/filter", {"flows": {"name": {"any_": [flow]}}, "sort": "START_TIME_DESC"})
        return [run for run in runs if run["state_type"] == "COMPLETED"]

    def served(self) -> str | None:
        pointer = self.workspace / ".lorag" / "current.json"
        return str(json.loads(pointer.read_text())["release"]) if pointer.exists() else None


@contextmanager
def machine_at(home: Path, more: Mapping[str, str], first_port: int) -> Iterator[Machine]:
    """A machine whose services are stopped at the end."""
    # The test session has a Prefect server of its own, which this must not find.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "MLFLOW"))}
    environment |= {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "LORAG_HOME": str(home_folder()),
        "LORAG_PREFECT_PORT": str(_free_port(first_port)),
        "MLFLOW_PORT": str(_free_port(first_port + 1_000)),
        **more,
    }
    machine = Machine(home, environment)
    try:
        yield machine
    finally:
        shelf = BackgroundShelf(machine.workspace / ".lorag" / "run")
        for name in ("keep", "serve", "watch", "worker", "mlflow", "prefect"):
            shelf.stop(name)


def wait_until(is_so: Callable[[], Any], what: str) -> float:
    """The seconds that it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < PATIENCE_S, f"{what} did not come about in {PATIENCE_S} s"
        time.sleep(0.2)
    return time.monotonic() - began


def _free_port(first: int) -> int:
    return next(port for port in range(first, first + 500) if is_free(port))
