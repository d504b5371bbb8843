"""One workspace over a tiny random language model, and one service of it, for all tests of a module."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from lorag.service.app import make_app
from lorag.service.keys import add_key
from tests.use_cases.conftest import Place, make_place

OWNER = "the-key-of-the-owner"
QUESTION = "How deep is berth 4 at the lowest tide?"
ADDRESS = "http://127.0.0.1:8400"


def with_key(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def filed(team: str, text: str) -> str:
    """A page with metadata."""
    return f"---\nteam: {team}\n---\n{text}"


@dataclass(frozen=True)
class Served:
    """A running service, with a key for the harbour's pages only and one for the kitchen's."""

    place: Place
    client: TestClient
    harbour: str
    kitchen: str


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = make_place(tmp_path_factory.mktemp("service"))
    for name, team in (("berths.md", "harbour"), ("kitchen.md", "kitchen")):
        page = place.source / name
        page.write_text(filed(team, page.read_text()))
    place.refresh()
    keys = place.workspace.state / "keys.json"
    harbour = add_key(keys, "harbour", {"team": "harbour"})
    kitchen = add_key(keys, "kitchen", {"team": "kitchen"})
    app = make_app(place.workspace, {}, OWNER)
    with TestClient(app, base_url=ADDRESS, headers=with_key(OWNER), raise_server_exceptions=False) as client:
        yield Served(place, client, harbour, kitchen)


@pytest.fixture(scope="module")
def client(service: Served) -> TestClient:
    return service.client


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A workspace of its own that serves nothing yet."""
    return make_place(tmp_path)
