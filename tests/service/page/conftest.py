"""A workspace for the page, made once for each file, since its tests change it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lorag.service.app import make_app
from tests.use_cases.conftest import Place, make_place

BASE = "http://127.0.0.1:8400"
ORIGIN = {"Origin": BASE}
PART = {**ORIGIN, "HX-Request": "true"}
TABS = ("/", "/compare", "/knowledge", "/knowledge/pending", "/figures", "/questions")
QUESTION = "How deep is berth 4 at the lowest tide?"
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Two releases that differ, and a source that has changed since."""
    made = make_place(tmp_path_factory.mktemp("page"))
    hostile = f"Signals {HOSTILE}\n\nThe {HOSTILE} flag of the Quellwick basin is orange on Sundays.\n"
    (made.source / "signals.txt").write_text(hostile)
    made.refresh()
    (made.source / "berths.md").write_text(
        "# Berths\n\nBerth 4 of the Quellwick basin is 9.10 metres deep at low tide.\n"
    )
    (made.source / "kitchen.md").unlink()
    made.refresh()
    (made.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
    (made.source / "empty.md").write_text("")
    return made


def with_reports(place: Place) -> None:
    """The sample's comparison and walk, as if this workspace had made them."""
    sample = Path(__file__).parents[3] / "docs" / "reports" / "sample"
    place.workspace.reports.mkdir(exist_ok=True)
    for name in ("comparison.json", "timeline.json"):
        shutil.copy(sample / name, place.workspace.reports)


@pytest.fixture(scope="module")
def client(place: Place) -> Iterator[TestClient]:
    with open_client(place) as opened:
        sign_in(opened)
        yield opened


@pytest.fixture
def stranger(client: TestClient) -> TestClient:
    """A second browser on the same service."""
    return TestClient(client.app, base_url=BASE, follow_redirects=False)


def open_client(place: Place) -> TestClient:
    return TestClient(make_app(place.workspace, {}, "secret"), base_url=BASE, follow_redirects=False)


def sign_in(client: TestClient, key: str = "secret", **fields: str) -> Any:
    return client.post("/sign-in", data={"key": key, **fields}, headers=ORIGIN)
