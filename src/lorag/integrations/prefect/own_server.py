"""The Prefect server of one command: started before anything else is imported, and ended with the command.

Prefect would start one itself, but only once a flow is called, and would import the whole server for it in the caller.
This one starts at once in a process of its own, so that the caller can import and work meanwhile. Its database is a
copy of an empty one that was migrated once for this version of Prefect.

Neither this module nor what it imports may import Prefect: its settings are read at that import.
"""

import atexit
import gc
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from lorag.errors import StoreFailed
from lorag.integrations.empty_database import keep_empty_database, provide_database
from lorag.integrations.machine.local_http import answers
from lorag.integrations.machine.process_tree import end_with
from lorag.integrations.sqlite_url import sqlite_url

OWN_API = "LORAG_OWN_PREFECT_API"
"""The variable with the address of this server, for this process and its stages."""

START_S = 120
STOP_S = 5
_API_URL = "PREFECT_API_URL"
_SETTINGS = {
    "PREFECT_UI_ENABLED": "false",
    # As Prefect names them to the server that it starts itself: only the services that record a run begin.
    "PREFECT__SERVER_EPHEMERAL": "1",
    "PREFECT__SERVER_FINAL": "1",
    # Nobody configures blocks or automations on a server that lives for seconds.
    "PREFECT_API_BLOCKS_REGISTER_ON_START": "false",
    "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
}
DATABASE = "prefect.db"
DATABASE_URL = "PREFECT_API_DATABASE_CONNECTION_URL"
"""The variable that names the database to a server."""

_DATABASE_SETTINGS = ("PREFECT_SERVER_DATABASE_", "PREFECT_API_DATABASE_")
# In a process of its own, because Prefect keeps the first database of a process for all that follows.
_MIGRATE = """
import asyncio
from prefect.server.database import provide_database_interface
asyncio.run(provide_database_interface().create_db())
"""
_started: list[subprocess.Popen[bytes]] = []


def start_own_server() -> None:
    """Start a server for this process, unless one is named or was started; return before it answers.

    The settings that Prefect reads must be in the environment. The address is put there, too.
    """
    if _is_named(os.environ, Path.cwd()):
        return
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/api"
        os.set_inheritable(listening.fileno(), True)
        command = [sys.executable, "-P", "-m", __name__, str(listening.fileno()), str(os.getpid())]
        # Not in the group that a terminal interrupts: a run that is interrupted still has to record it.
        process = subprocess.Popen(
            command, env={**os.environ, **_SETTINGS}, pass_fds=[listening.fileno()], process_group=0
        )
    _started.append(process)
    # Registered before Prefect is imported, so it runs after Prefect has sent its last records.
    atexit.register(_stop, process)
    os.environ[_API_URL] = os.environ[OWN_API] = address


def wait_for_own_server() -> None:
    """Return once the server that this process started answers; at once if it started none; raises StoreFailed."""
    if not _started:
        return
    end_s = time.monotonic() + START_S
    while not answers(f"{os.environ[OWN_API]}/health"):
        if _started[-1].poll() is not None or time.monotonic() > end_s:
            raise StoreFailed(
                "the Prefect server of this command did not start",
                where=os.environ.get("PREFECT_HOME", ""),
                do="look at its messages above; the folder must be writable",
            )
        time.sleep(0.05)


def is_own(api: str | None) -> bool:
    """Return whether this is the address of a server that lives only as long as its command."""
    return api is not None and api == os.environ.get(OWN_API)


def _is_named(environment: Mapping[str, str], folder: Path) -> bool:
    """Return whether a server is named, here or where only Prefect itself can find it."""
    if environment.get(_API_URL) or environment.get("PREFECT_PROFILE") or "prefect" in sys.modules:
        return True
    home = Path(environment.get("PREFECT_HOME", "~/.prefect")).expanduser()
    words = {
        home / "profiles.toml": _API_URL,
        folder / ".env": "PREFECT_",
        folder / "prefect.toml": "url",
        folder / "pyproject.toml": "[tool.prefect",
    }
    return any(word in _text(path) for path, word in words.items())


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve(descriptor: int, caller: int) -> None:
    """Serve on a socket that listens, until this process is asked to end or its caller has ended."""
    end_with(caller)
    # Thousands of classes are created, and almost none is freed: looking for garbage takes a fifth of the time.
    gc.disable()
    import uvicorn

    if not names_database(os.environ):
        home = Path(os.environ["PREFECT_HOME"])
        provide_database(home / DATABASE, keep_own_database)
        os.environ[DATABASE_URL] = database_url(home)
    # Prefect reads its settings when it is imported.
    from prefect.server.api.server import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    listening = socket.socket(fileno=descriptor)
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")).run(sockets=[listening])


def names_database(environment: Mapping[str, str]) -> bool:
    """Return whether the environment says where a server keeps its records."""
    return any(name.startswith(_DATABASE_SETTINGS) for name in environment)


def database_url(home: Path) -> str:
    """Return the address of the database in Prefect's home; Prefect's own is another file if a path has a `?`."""
    return sqlite_url(home.absolute() / DATABASE, "sqlite+aiosqlite")


def keep_own_database() -> Path:
    """Return an empty database for this version of Prefect; the first call on a machine takes seconds to make it."""
    return keep_empty_database("prefect", DATABASE, _MIGRATE, lambda folder: {DATABASE_URL: database_url(folder)})


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
