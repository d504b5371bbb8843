"""The servers of a workspace on one machine: their commands, ports and settings."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lorag.errors import ParamsError
from lorag.integrations.empty_database import provide_database
from lorag.integrations.machine.background_process import BackgroundShelf
from lorag.integrations.mlflow import tracking as mlflow
from lorag.integrations.prefect import own_server as prefect
from lorag.integrations.sqlite_url import sqlite_url
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Server:
    """How to start a server, and the path at which it answers once it is ready.

    `elsewhere` is the variable that names a server on another machine; `port_variable` names the port on this one.
    `provide` makes what it would take long to make itself, in its folder.
    """

    name: str
    elsewhere: str
    port_variable: str
    port: int
    folder: Path
    command: tuple[str, ...]
    health: str
    settings: Mapping[str, str] = field(default_factory=dict)
    provide: Callable[[], None] = lambda: None

    @property
    def address(self) -> str:
        """Return the address at which it listens, on this machine only."""
        return f"http://127.0.0.1:{self.port}"


def prefect_server(workspace: Workspace, environment: Mapping[str, str]) -> Server:
    """Return the Prefect server, with its database in the workspace's state."""
    variable = "LORAG_PREFECT_PORT"
    port = _port(variable, 4200, environment)
    command = (sys.executable, "-P", "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port))
    folder = workspace.state / "prefect"
    server = Server("prefect", "PREFECT_API_URL", variable, port, folder, command, "/api/health")
    if prefect.names_database(environment):
        return server
    provide = partial(provide_database, folder / prefect.DATABASE, prefect.keep_own_database)
    return replace(server, settings={prefect.DATABASE_URL: prefect.database_url(folder)}, provide=provide)


def mlflow_server(workspace: Workspace, environment: Mapping[str, str]) -> Server:
    """Return the MLflow UI, started as by mlflow/serve.sh, which a workspace outside the repository does not have."""
    variable, folder = "MLFLOW_PORT", workspace.state / "mlflow"
    port = _port(variable, 5000, environment)
    listen = ("--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    keep = (
        *("--backend-store-uri", sqlite_url(folder / mlflow.DATABASE)),
        *("--default-artifact-root", (folder / "artifacts").as_uri(), "--no-serve-artifacts"),
    )
    command = (sys.executable, "-P", "-m", "mlflow", "server", *listen, *keep)
    settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    provide = partial(provide_database, folder / mlflow.DATABASE, mlflow.keep_own_database)
    return Server("mlflow", "MLFLOW_TRACKING_URI", variable, port, folder, command, "/health", settings, provide)


def child_environment(workspace: Workspace, environment: Mapping[str, str], api: str) -> dict[str, str]:
    """Return the environment of the background processes: it adds Prefect settings that `environment` does not set."""
    defaults = {
        "PREFECT_API_URL": api,
        "PREFECT_HOME": str(workspace.state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Servers start Python again, which would import a calendar.py of the folder that they work in.
        "PYTHONSAFEPATH": "1",
        "PREFECT_LOGGING_LEVEL": "INFO",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "lorag",
        # Each poll is a request of a few milliseconds to this machine; by default a run only begins after up to 10 s.
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
        "PREFECT_WORKER_PREFETCH_SECONDS": "1",
    }
    return {**defaults, **environment}


def background_shelf(workspace: Workspace) -> BackgroundShelf:
    """Return the shelf with the records and logs of a workspace's background processes."""
    return BackgroundShelf(workspace.state / "run")


def running_api(workspace: Workspace) -> str | None:
    """Return the API address of the server that `lorag up` started, if it still runs; None otherwise."""
    found = background_shelf(workspace).find("prefect")
    return f"{found.address}/api" if found else None


def _port(variable: str, default: int, environment: Mapping[str, str]) -> int:
    given = environment.get(variable) or str(default)
    if not given.isdecimal() or not 0 < int(given) < 65_536:
        raise ParamsError(f"{given!r} is not a port", where=variable, do="name one from 1 to 65535")
    return int(given)
