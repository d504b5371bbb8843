"""Start a private Weaviate server: `make weaviate`.

It uses the first that exists of: the server at WEAVIATE_URL; `weaviate-server` on PATH or built earlier; a build with
Go; a container. Data, log and a random key are in .lorag/weaviate.
"""

import argparse
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from platformdirs import user_cache_path

VERSION = "1.35.2"
MODULE = f"github.com/weaviate/weaviate/cmd/weaviate-server@v{VERSION}"
COMPOSE = Path(__file__).with_name("compose.yaml")
FOLDER = Path(".lorag/weaviate")
READY_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
EXIT_STORE = 5
ANYONE = {
    "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "true",
    "AUTHENTICATION_APIKEY_ENABLED": "false",
    "AUTHORIZATION_ADMINLIST_ENABLED": "false",
}
"""The settings of a server that accepts every client."""


class CannotStart(Exception):
    """The server cannot be started; the message is one line for a person."""


@dataclass(frozen=True)
class Ports:
    """The ports of a server: HTTP and gRPC for clients; gossip and raft each also use the next port."""

    http: int
    grpc: int
    gossip: int
    raft: int


@dataclass(frozen=True)
class Server:
    """A running server and how to reach it; `started_s` is its start, in seconds since the boot of the machine."""

    pid: int
    started_s: float
    ports: Ports
    api_key: str

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables for a client."""
        return {
            "WEAVIATE_URL": f"http://127.0.0.1:{self.ports.http}",
            "WEAVIATE_GRPC_PORT": str(self.ports.grpc),
            "WEAVIATE_API_KEY": self.api_key,
        }

    def is_process(self, process: psutil.Process) -> bool:
        """Return whether the process is the server's, not another one that got its pid."""
        return abs(_started_s(process) - self.started_s) <= 1

    def kill(self, *, gently: bool = True) -> None:
        """Stop the server and wait for its end; without `gently` it is killed, as by a power cut."""
        try:
            process = psutil.Process(self.pid)
            if not self.is_process(process):
                return
            process.send_signal(signal.SIGTERM if gently else signal.SIGKILL)
            process.wait(STOP_TIMEOUT_S)
        except psutil.NoSuchProcess:
            return
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def find_binary() -> Path | None:
    """Return `weaviate-server` on PATH, or the one that was built here before; None if there is neither."""
    built = _build_folder() / "weaviate-server"
    found = shutil.which("weaviate-server") or (str(built) if os.access(built, os.X_OK) else None)
    return Path(found) if found else None


def build_binary() -> Path | None:
    """Build the server with Go and return it; None if there is no Go that is new enough."""
    go = shutil.which("go")
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout if go else ""
    match = re.search(r"go(\d+)\.(\d+)", version)
    if not go or not match or (int(match[1]), int(match[2])) < (1, 26):
        return None
    folder = _build_folder()
    folder.mkdir(parents=True, exist_ok=True)
    print(f"Building Weaviate {VERSION} with Go, which takes some minutes the first time ...", flush=True)
    started = time.monotonic()
    build = subprocess.Popen([go, "install", MODULE], env={**os.environ, "GOBIN": str(folder)})
    while True:
        try:
            status = build.wait(timeout=15)
            break
        except subprocess.TimeoutExpired:
            print(f"  still building after {time.monotonic() - started:.0f} s", flush=True)
    if status:
        raise CannotStart(f"`go install {MODULE}` failed with status {status}; see its lines above")
    return folder / "weaviate-server"


def launch(binary: Path, folder: Path, *, api_key: str, ports: Ports | None = None, anonymous: bool = False) -> Server:
    """Start a detached server with its data in `folder`, and wait until it is ready.

    HTTP, gossip and raft listen only on 127.0.0.1; gRPC and the cluster's data port have no such setting.
    """
    server, process = spawn(binary, folder, api_key, ports or free_ports(), ANYONE if anonymous else {})
    wait_until_ready(server, process, folder / "log")
    return server


def spawn(
    binary: Path, folder: Path, api_key: str, ports: Ports, more: Mapping[str, str]
) -> "tuple[Server, subprocess.Popen[bytes]]":
    """Start a detached server; `more` are its additional settings."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    command = [str(binary), "--scheme", "http", "--host", "127.0.0.1", "--port", str(ports.http)]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            env={**os.environ, **_settings(folder, ports, api_key), **more},
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return Server(process.pid, _started_s(psutil.Process(process.pid)), ports, api_key), process


def free_ports() -> Ports:
    """Return ports that are free now."""
    with ExitStack() as held:
        http, grpc = _hold_run(held, 1), _hold_run(held, 1)
        return Ports(http=http, grpc=grpc, gossip=_hold_run(held, 2), raft=_hold_run(held, 2))


def start(folder: Path) -> str:
    """Make sure that a server runs; return the lines that tell a person how to use it."""
    if url := os.environ.get("WEAVIATE_URL"):
        if not all(is_ready(each) for each in url.split(",")):
            raise CannotStart(f"WEAVIATE_URL is {url}, but no server is ready there; start that one, or unset it")
        return f"The server at WEAVIATE_URL {url} is ready."
    server = _running(folder)
    if server is None:
        binary = find_binary() or build_binary()
        key = key_of(folder)
        if binary is None:
            return _start_container(key)
        server = launch(binary, folder, api_key=key, ports=_ports_used_before(folder))
        write_privately(folder / "server.json", json.dumps(asdict(server)))
    lines = [f"export {name}={value}" for name, value in server.environment.items()]
    return "\n".join([f"# Weaviate {VERSION} is ready, its data is in {folder}", *lines])


def stop(folder: Path) -> str:
    """Stop the server that `start` started; return a message."""
    server = _running(folder)
    if server is None:
        return "No server of this workspace is running."
    server.kill()
    return "The server has stopped; its data stays."


def prepare() -> str:
    """Make sure that the server's binary exists; return its path."""
    binary = find_binary() or build_binary()
    if binary is None:
        raise CannotStart("no weaviate-server on PATH and no Go 1.26 or later to build it; install Go from go.dev")
    return str(binary)


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Start or stop a Weaviate server for this workspace.")
    parser.add_argument("action", nargs="?", choices=["start", "stop"], default="start")
    parser.add_argument("--prepare", action="store_true", help="only make sure that the server's binary exists")
    arguments = parser.parse_args()
    try:
        if arguments.prepare:
            print(prepare())
        elif arguments.action == "stop":
            print(stop(FOLDER.absolute()))
        else:
            print(start(FOLDER.absolute()))
    except (CannotStart, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_STORE
    return 0


def _build_folder() -> Path:
    return user_cache_path("lorag") / f"weaviate-{VERSION}"


def _settings(folder: Path, ports: Ports, api_key: str) -> dict[str, str]:
    return {
        "PERSISTENCE_DATA_PATH": str(folder / "data"),
        "DEFAULT_VECTORIZER_MODULE": "none",
        "DISABLE_TELEMETRY": "true",
        "GO_PROFILING_DISABLE": "true",
        # A text search over rows that are still in memory takes 250 ms instead of 5; by default they stay there 60 s.
        "PERSISTENCE_MEMTABLES_FLUSH_DIRTY_AFTER_SECONDS": "5",
        "GRPC_PORT": str(ports.grpc),
        # Without these it dies if the machine's first address is IPv6.
        "CLUSTER_HOSTNAME": "node1",
        "CLUSTER_IN_LOCALHOST": "true",
        "CLUSTER_BIND_ADDR": "127.0.0.1",
        "CLUSTER_ADVERTISE_ADDR": "127.0.0.1",
        "CLUSTER_GOSSIP_BIND_PORT": str(ports.gossip),
        "CLUSTER_DATA_BIND_PORT": str(ports.gossip + 1),
        "RAFT_PORT": str(ports.raft),
        "RAFT_INTERNAL_RPC_PORT": str(ports.raft + 1),
        "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false",
        "AUTHENTICATION_APIKEY_ENABLED": "true",
        "AUTHENTICATION_APIKEY_ALLOWED_KEYS": api_key,
        "AUTHENTICATION_APIKEY_USERS": "lorag",
        "AUTHORIZATION_ADMINLIST_ENABLED": "true",
        "AUTHORIZATION_ADMINLIST_USERS": "lorag",
        "LOG_LEVEL": "warning",
    }


def wait_until_ready(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Return when the server answers on both ports.

    Raises CannotStart, with the log's last line, if the server ended, and if it is not ready in READY_TIMEOUT_S.
    """
    end = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < end:
        if process.poll() is not None:
            last = log.read_text(errors="replace").splitlines()[-1:]
            raise CannotStart(f"weaviate-server ended with status {process.returncode}: {' '.join(last)[:300]}")
        if is_ready(server.environment["WEAVIATE_URL"]) and listens(server.ports.grpc):
            return
        time.sleep(0.25)
    server.kill()
    raise CannotStart(f"weaviate-server was not ready after {READY_TIMEOUT_S} s; see {log}")


def is_ready(url: str) -> bool:
    """Return whether the server reports that it is ready."""
    try:
        with urllib.request.urlopen(f"{url.rstrip('/')}/v1/.well-known/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError, urllib.error.URLError):
        return False


def listens(port: int) -> bool:
    """Return whether a process accepts connections on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _hold_run(held: ExitStack, count: int) -> int:
    """Return the first of `count` neighbouring ports, held until the stack closes so that no other call gets them."""
    for _ in range(100):
        with ExitStack() as attempt:
            first = attempt.enter_context(socket.socket())
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                for offset in range(1, count):
                    attempt.enter_context(socket.socket()).bind(("127.0.0.1", port + offset))
            except (OSError, OverflowError):
                continue
            held.enter_context(attempt.pop_all())
            return port
    raise CannotStart("no free ports on 127.0.0.1")


def key_of(folder: Path) -> str:
    """Return the random key stored in `folder`; the first call creates it."""
    path = folder / "api_key"
    if not path.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_privately(path, secrets.token_urlsafe(32))
    return path.read_text(encoding="ascii").strip()


def write_privately(path: Path, text: str) -> None:
    """Write the text to a new file that only its owner can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _started_s(process: psutil.Process) -> float:
    # Since boot: by wall-clock time, a process from before a change of the clock would look like another one.
    return process.create_time() - psutil.boot_time()


def _recorded(folder: Path) -> Server | None:
    try:
        record = json.loads((folder / "server.json").read_text(encoding="ascii"))
        return Server(record["pid"], record["started_s"], Ports(**record["ports"]), record["api_key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def runs(server: Server) -> bool:
    """Return whether exactly this process exists and is ready."""
    if not psutil.pid_exists(server.pid):
        return False
    return server.is_process(psutil.Process(server.pid)) and is_ready(server.environment["WEAVIATE_URL"])


def _running(folder: Path) -> Server | None:
    server = _recorded(folder)
    return server if server is not None and runs(server) else None


def _ports_used_before(folder: Path) -> Ports | None:
    """Return the last server's ports if they are still free, so that exported addresses stay valid; else None."""
    server = _recorded(folder)
    if server is None:
        return None
    ports = server.ports
    every = [ports.http, ports.grpc, ports.gossip, ports.gossip + 1, ports.raft, ports.raft + 1]
    return None if any(listens(port) for port in every) else ports


def _start_container(api_key: str) -> str:
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "info"], capture_output=True, check=False).returncode:
        raise CannotStart(
            "no weaviate-server on PATH, no Go 1.26 or later to build it, no container engine that answers; "
            "install Go from go.dev, or set WEAVIATE_URL to a server"
        )
    command = [docker, "compose", "-f", str(COMPOSE), "up", "-d", "--wait"]
    status = subprocess.run(command, env={**os.environ, "WEAVIATE_API_KEY": api_key}, check=False).returncode
    if status:
        raise CannotStart(f"`docker compose -f {COMPOSE} up` failed with status {status}")
    lines = ["export WEAVIATE_URL=http://127.0.0.1:8080", "export WEAVIATE_GRPC_PORT=50051"]
    return "\n".join(["# Weaviate runs in a container", *lines, f"export WEAVIATE_API_KEY={api_key}"])


if __name__ == "__main__":
    sys.exit(main())
