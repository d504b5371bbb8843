"""Start three Weaviate nodes on this machine that keep every object three times: `make weaviate-cluster`.

Any one of them may die: the other two continue, and another start brings the third one back. Data, logs and a random
key are in .lorag/weaviate-cluster.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from start import (
    EXIT_STORE,
    READY_TIMEOUT_S,
    VERSION,
    CannotStart,
    Ports,
    Server,
    build_binary,
    find_binary,
    free_ports,
    key_of,
    listens,
    runs,
    spawn,
    wait_until_ready,
    write_privately,
)

FOLDER = Path(".lorag/weaviate-cluster")
NODES = 3


@dataclass(frozen=True)
class Cluster:
    """The nodes, in order."""

    servers: tuple[Server, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables for a client, which asks the first node that answers."""
        each = [server.environment for server in self.servers]
        return {
            "WEAVIATE_URL": ",".join(one["WEAVIATE_URL"] for one in each),
            "WEAVIATE_GRPC_PORT": ",".join(one["WEAVIATE_GRPC_PORT"] for one in each),
            "WEAVIATE_API_KEY": self.servers[0].api_key,
        }

    def kill(self, *, gently: bool = True) -> None:
        """Stop all nodes."""
        for server in self.servers:
            server.kill(gently=gently)


def launch_cluster(binary: Path, folder: Path, *, api_key: str, known: Sequence[Server] = ()) -> Cluster:
    """Start the nodes that do not run, each with its own data folder, and wait until all are ready.

    `known` are the nodes of an earlier call on this folder: they know each other by their ports, and keep them.
    """
    ports = [server.ports for server in known] or [free_ports() for _ in range(NODES)]
    servers: list[Server] = []
    started: list[tuple[Server, subprocess.Popen[bytes], Path]] = []
    try:
        for number in range(NODES):
            if known and runs(known[number]):
                servers.append(known[number])
                continue
            place = folder / f"node{number + 1}"
            server, process = spawn(binary, place, api_key, ports[number], _node_settings(number, ports))
            started.append((server, process, place / "log"))
            servers.append(server)
            _wait_for_gossip(server, process)
        for node in started:
            wait_until_ready(*node)
    except BaseException:
        Cluster(tuple(server for server, _, _ in started)).kill(gently=False)
        raise
    return Cluster(tuple(servers))


def start(folder: Path) -> str:
    """Make sure that all nodes run; return the lines that tell a person how to use them."""
    binary = find_binary() or build_binary()
    if binary is None:
        raise CannotStart("no weaviate-server on PATH and no Go 1.26 or later to build it; install Go from go.dev")
    cluster = launch_cluster(binary, folder, api_key=key_of(folder), known=_recorded(folder))
    write_privately(folder / "servers.json", json.dumps([asdict(server) for server in cluster.servers]))
    lines = [f"export {name}={value}" for name, value in cluster.environment.items()]
    head = [f"# {NODES} nodes of Weaviate {VERSION} are ready. In params.yaml set index.store: weaviate and"]
    return "\n".join([*head, "# index.replication_factor: 3", *lines])


def stop(folder: Path) -> str:
    """Stop what `start` started; return a message."""
    known = _recorded(folder)
    Cluster(tuple(known)).kill()
    return f"{len(known)} nodes have stopped; their data stays."


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description="Start or stop three Weaviate nodes for this workspace.")
    parser.add_argument("action", nargs="?", choices=["start", "stop"], default="start")
    action = start if parser.parse_args().action == "start" else stop
    try:
        print(action(FOLDER.absolute()))
    except (CannotStart, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_STORE
    return 0


def _node_settings(number: int, ports: Sequence[Ports]) -> dict[str, str]:
    met = [f"127.0.0.1:{other.gossip}" for other in ports if other is not ports[number] and listens(other.gossip)]
    settings = {
        "CLUSTER_HOSTNAME": f"node{number + 1}",
        "RAFT_JOIN": ",".join(f"node{index + 1}:{each.raft}" for index, each in enumerate(ports)),
        "RAFT_BOOTSTRAP_EXPECT": str(NODES),
        # A node that comes back lacks what was written meanwhile, until the others notice: by default after 30 s,
        # and not before 30 s after the write.
        "ASYNC_REPLICATION_FREQUENCY": "5s",
        "ASYNC_REPLICATION_PROPAGATION_DELAY": "5s",
    }
    return {**settings, "CLUSTER_JOIN": ",".join(met)} if met else settings


def _wait_for_gossip(server: Server, process: "subprocess.Popen[bytes]") -> None:
    """Wait until a node can be joined, or has died: the next node dies if it finds no node to join.

    A failure here is reported later, when the node does not become ready.
    """
    end = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < end and process.poll() is None and not listens(server.ports.gossip):
        time.sleep(0.1)


def _recorded(folder: Path) -> list[Server]:
    if not os.path.exists(folder / "servers.json"):
        return []
    records = json.loads((folder / "servers.json").read_text(encoding="ascii"))
    return [Server(one["pid"], one["started_s"], Ports(**one["ports"]), one["api_key"]) for one in records]


if __name__ == "__main__":
    sys.exit(main())
