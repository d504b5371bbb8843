"""The process of `lorag serve`."""

import json
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lorag.errors import StoreFailed
from lorag.integrations.machine.local_http import answers, is_free
from lorag.service.app import make_app
from lorag.service.client import find_service
from lorag.workspace import Workspace

KEY_VARIABLE = "LORAG_SERVE_KEY"
PORT = 8400


def serve(
    workspace: Workspace,
    environment: Mapping[str, str],
    host: str,
    port: int | None,
    on_ready: Callable[[str], None] = lambda address: None,
) -> None:
    """Answer questions over HTTP until the process is told to end; `on_ready` is called with the address.

    Without a `port` it is 8400, or another one that is free. The key is LORAG_SERVE_KEY, else a new one. Address and
    key stand in the workspace's state, readable by this user alone, so that `lorag ask` finds the service. Raises
    StoreFailed if the named port is taken.
    """
    # It takes half a second, and no other command needs it.
    import uvicorn

    running = find_service(workspace.service_file)
    if running is not None and answers(f"http://{running.host}:{running.port}/healthz"):
        raise StoreFailed(
            f"this workspace is served already, at http://{running.host}:{running.port}",
            where="lorag serve",
            do="use that one, or stop it first",
        )
    chosen = _choose_port(port)
    key = environment.get(KEY_VARIABLE) or secrets.token_urlsafe(32)
    local = "127.0.0.1" if host in ("0.0.0.0", "::") else host

    def ready() -> None:
        address = f"http://{local}:{chosen}"
        record = {"address": address, "host": local, "port": chosen, "key": key, "pid": os.getpid()}
        _write_private(workspace.service_file, record)
        on_ready(address)

    # The server ends the process itself when it is told to, so nothing behind it would run.
    app = make_app(workspace, environment, key, ready, lambda: workspace.service_file.unlink(missing_ok=True))
    uvicorn.run(app, host=host, port=chosen, log_level="warning", access_log=False)


def _choose_port(port: int | None) -> int:
    if port is not None and not is_free(port):
        raise StoreFailed(f"port {port} is taken", where="lorag serve", do="name another with --port")
    if port is not None or is_free(PORT):
        return port or PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _write_private(path: Path, value: Mapping[str, Any]) -> None:
    """Replace `path` by a file that nobody else can read, not even while it is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        json.dump(value, file)
    temporary.replace(path)
