"""Two services that follow one bucket are started again, one after the other, while questions come: none is lost."""

import itertools
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import servers
from tests.infra.test_mirror import mirror
from tests.use_cases.conftest import make_place

pytestmark = pytest.mark.full

KEY = "the-key-of-the-owner"
QUESTION = {"question": "How deep is berth 4 at the lowest tide?"}


@dataclass
class Balancer:
    """What a cluster's service does: asks the pods that are ready, in turns."""

    ready: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        """Ask until it is ended; a request that fails in any way is noted."""
        with httpx.Client(headers={"Authorization": f"Bearer {KEY}"}, timeout=120) as client:
            for number in itertools.count():
                if self.ended.is_set():
                    return
                pods = list(self.ready)
                try:
                    # A connection of its own for each question, as after a pod was taken out.
                    headers = {"Connection": "close"}
                    address = f"{pods[number % len(pods)]}/v1/answers"
                    self.statuses.append(client.post(address, json=QUESTION, headers=headers).status_code)
                except httpx.TransportError:
                    self.statuses.append(0)


@contextmanager
def pod(workspace: Path, folder: Path) -> Iterator[tuple[str, servers.Running]]:
    """A service that is ready."""
    port = servers.free_port()
    command = [sys.executable, "-m", "lorag.cli", "--workspace", workspace, "serve", "--port", str(port)]
    settings = {"LORAG_SERVE_KEY": KEY}
    ready = f"http://127.0.0.1:{port}/readyz"
    with servers.serving(command, {}, folder / f"{port}.log", ready, settings) as running:
        while httpx.get(ready, timeout=60).status_code != 200:
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", running


def test_no_question_is_lost(bucket: Mapping[str, str], tmp_path: Path) -> None:
    place = make_place(tmp_path)
    place.refresh()
    mirror(bucket, "rolled", place.workspace.root).push()
    copies = [tmp_path / "a", tmp_path / "b"]
    for copy in copies:
        mirror(bucket, "rolled", copy).pull()
        (copy / ".lorag/lancedb").symlink_to(place.workspace.state / "lancedb")
    balancer = Balancer()
    with ExitStack() as stack:
        pods: dict[Path, tuple[str, Any]] = {}
        for copy in copies:
            pods[copy] = stack.enter_context(pod(copy, tmp_path))
            balancer.ready.append(pods[copy][0])
        threads = [threading.Thread(target=balancer.ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for copy in copies:
                address, running = pods[copy]
                balancer.ready.remove(address)
                # As preStop waits: who has chosen the pod already must reach it. What is under way is answered.
                time.sleep(0.2)
                running.process.terminate()
                running.process.wait(60)
                pods[copy] = stack.enter_context(pod(copy, tmp_path))
                balancer.ready.append(pods[copy][0])
        finally:
            balancer.ended.set()
            for thread in threads:
                thread.join()
    assert set(balancer.statuses) == {200} and len(balancer.statuses) > 20, balancer.statuses
