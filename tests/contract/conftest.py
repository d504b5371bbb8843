"""Every store that the contract suite runs over: LanceDB in a temporary folder and a real Weaviate."""

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from lorag.integrations.stores import open_store
from lorag.params import IndexParams, StoreKind
from lorag.retrieval.index.store import IndexStore

ROOT = Path(__file__).parents[2]
ANN_FROM_ROWS = 1_000


def _load_start() -> ModuleType:
    spec = importlib.util.spec_from_file_location("weaviate_start", ROOT / "infra/weaviate/start.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["weaviate_start"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def start() -> ModuleType:
    """infra/weaviate/start.py."""
    return _load_start()


@pytest.fixture(scope="session")
def weaviate_binary(start: ModuleType) -> Path:
    binary = start.find_binary()
    if binary is None:
        reason = "no weaviate-server on PATH or in the cache folder; `python infra/weaviate/start.py --prepare` gets it"
        if os.environ.get("LORAG_REQUIRE_WEAVIATE") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    assert isinstance(binary, Path)
    return binary


@pytest.fixture(scope="session")
def weaviate_environment(
    start: ModuleType, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """The address of a server: WEAVIATE_URL if it is set, else one that lives as long as the session."""
    if os.environ.get("WEAVIATE_URL"):
        yield os.environ
        return
    binary = request.getfixturevalue("weaviate_binary")
    server = start.launch(binary, tmp_path_factory.mktemp("weaviate"), api_key="contract")
    yield server.environment
    server.kill()


@dataclass(frozen=True)
class Place:
    """Where a store lies; opening it again is what another process would do."""

    kind: StoreKind
    folder: Path
    environment: Mapping[str, str]

    def open(self, ann_from_rows: int = ANN_FROM_ROWS) -> IndexStore:
        params = IndexParams(
            store=self.kind,
            name="contract",
            ann_from_rows=ann_from_rows,
            retain_generations=5,
            replication_factor=1,
            shards=1,
        )
        return open_store(params, self.folder, self.environment)


OpenPlace = Callable[[StoreKind], Place]


@pytest.fixture
def open_place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OpenPlace]:
    """Gives the place of a store of either kind, and empties it at the end."""
    places: list[Place] = []

    def give(kind: StoreKind) -> Place:
        environment: Mapping[str, str] = {}
        if kind is StoreKind.WEAVIATE:
            environment = request.getfixturevalue("weaviate_environment")
        places.append(Place(kind, tmp_path / kind, environment))
        return places[-1]

    yield give
    for place in places:
        store = place.open()
        store.drop_all_but(())
        store.close()


@pytest.fixture(params=list(StoreKind))
def place(request: pytest.FixtureRequest, open_place: OpenPlace) -> Place:
    return open_place(request.param)


@pytest.fixture
def store(place: Place) -> Iterator[IndexStore]:
    opened = place.open()
    yield opened
    opened.close()
