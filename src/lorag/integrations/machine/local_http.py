"""Ports of this machine, and whether a server answers there."""

import socket
import urllib.error
import urllib.request
from collections.abc import MutableMapping

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_NO_PROXY = ("NO_PROXY", "no_proxy")


def leave_out_proxies(environment: MutableMapping[str, str]) -> None:
    """Name this machine in NO_PROXY, so that no client asks a proxy for the servers that lorag starts here.

    Child processes that get this environment are spared, too.
    """
    known = [name.strip() for variable in _NO_PROXY for name in environment.get(variable, "").split(",")]
    value = ",".join(dict.fromkeys(name for name in (*known, *_LOOPBACK) if name))
    for variable in _NO_PROXY:
        environment[variable] = value


def is_free(port: int) -> bool:
    """Whether a server could listen on this port of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: a connection that was just closed does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """Whether a GET of `url` succeeds within some seconds."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - lorag made the address
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False
