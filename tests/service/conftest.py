"""One workspace over a tiny random language model, and one service of it, for all tests that change neither."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from lorag.service.app import make_app
from lorag.service.keys import add_key
from lorag.strategies import AdapterKind
from tests.contract.conftest import start, weaviate_binary, weaviate_environment  # noqa: F401  # fixtures
from tests.servers import free_port
from tests.use_cases.conftest import Place, make_place

OWNER = "the-key-of-the-owner"
QUESTION = "How deep is berth 4 at the lowest tide?"


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def filed(team: str, text: str) -> str:
    """A page with metadata."""
    return f"---\nteam: {team}\n---\n{text}"


@dataclass(frozen=True)
class Served:
    """A running service with a hybrid adapter, a key for the harbour's pages only and one for the kitchen's."""

    place: Place
    app: FastAPI
    address: str
    client: httpx.Client
    harbour: str
    kitchen: str


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of a server for the application, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_level="error", server_header=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.config.port}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = make_place(tmp_path_factory.mktemp("service"))
    for name, team in (("berths.md", "harbour"), ("kitchen.md", "kitchen")):
        page = place.source / name
        page.write_text(filed(team, page.read_text()))
    place.refresh()
    place.publish_adapter(1, AdapterKind.HYBRID)
    keys = place.workspace.state / "keys.json"
    harbour = add_key(keys, "harbour", {"team": "harbour"})
    kitchen = add_key(keys, "kitchen", {"team": "kitchen"})
    app = make_app(place.workspace, {}, OWNER)
    with running(app) as address, httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as client:
        yield Served(place, app, address, client, harbour, kitchen)


@pytest.fixture
def client(service: Served) -> httpx.Client:
    return service.client


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace of its own that serves nothing yet."""
    return make_place(tmp_path)
