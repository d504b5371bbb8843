"""The process of `lorag serve`."""

import ipaddress
import os
import socket
from collections.abc import Callable, Mapping, Sequence

from lorag.errors import ParamsError, StoreFailed
from lorag.integrations.machine.local_http import answers, is_free
from lorag.service.app import LOOPBACK, make_app
from lorag.service.client import find_service
from lorag.service.keys import owner_key, write_private
from lorag.workspace import Workspace

KEY_VARIABLE = "LORAG_SERVE_KEY"
HOSTS_VARIABLE = "LORAG_SERVE_HOSTS"
PORT = 8400


def serve(
    workspace: Workspace,
    environment: Mapping[str, str],
    host: str,
    port: int | None,
    on_ready: Callable[[str], None] = lambda address: None,
    *,
    allowed_hosts: Sequence[str] = (),
) -> None:
    """Answer questions over HTTP until the process is told to end; `on_ready` is called with the address.

    Without a `port` it is 8400, or another one that is free. The key is LORAG_SERVE_KEY, else that of the
    workspace, which is made at the first start. Address and key stand in the workspace's state, readable by this user
    alone, so that `lorag ask` finds the service.
    `allowed_hosts` are the names under which other machines ask, besides those in LORAG_SERVE_HOSTS. Raises StoreFailed
    if the named port is taken, and ParamsError for a key that can be guessed or a `host` that nobody may name.
    """
    # It takes half a second, and no other command needs it.
    import uvicorn

    hosts = _choose_hosts(host, allowed_hosts, environment)
    key = owner_key(environment.get(KEY_VARIABLE), KEY_VARIABLE, workspace.service_key_file)
    running = find_service(workspace.service_file)
    if running is not None and answers(f"http://{running.host}:{running.port}/healthz"):
        raise StoreFailed(
            f"this workspace is served already, at http://{running.host}:{running.port}",
            where="lorag serve",
            do="use that one, or stop it first",
        )
    chosen = _choose_port(port)
    local = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound

    def ready() -> None:
        address = f"http://{local}:{chosen}"
        record = {"address": address, "host": local, "port": chosen, "key": key, "pid": os.getpid()}
        write_private(workspace.service_file, record)
        on_ready(address)

    # The server ends the process itself when it is told to, so nothing behind it would run.
    def end() -> None:
        workspace.service_file.unlink(missing_ok=True)

    app = make_app(workspace, environment, key, ready, end, hosts=hosts)
    uvicorn.run(app, host=host, port=chosen, log_level="warning", access_log=False, server_header=False)


def _choose_hosts(host: str, named: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return the names under which the service may be asked, besides those of this machine itself."""
    hosts = [name.strip() for name in [*named, *environment.get(HOSTS_VARIABLE, "").split(",")] if name.strip()]
    if host in LOOPBACK:
        return hosts
    try:
        is_any = ipaddress.ip_address(host).is_unspecified
    except ValueError:
        is_any = False
    # Without a list, a page of any site could ask under a name that leads here.
    if is_any and not hosts:
        raise ParamsError(
            f"{host} listens for other machines, and no name is allowed",
            where="--host",
            do=f"name what they ask for with --allowed-host or {HOSTS_VARIABLE}",
        )
    return hosts if is_any else [*hosts, host]


def _choose_port(port: int | None) -> int:
    if port is not None and not is_free(port):
        raise StoreFailed(f"port {port} is taken", where="lorag serve", do="name another with --port")
    if port is not None or is_free(PORT):
        return port or PORT
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
