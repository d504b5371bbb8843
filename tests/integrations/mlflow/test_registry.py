"""The registry for real, on a database in a file."""

from pathlib import Path
from typing import Any

import pytest

from lorag.errors import StoreFailed
from lorag.integrations.mlflow.registry import CHAMPION, SHA256_TAG, point_champion_at, register_adapter
from lorag.integrations.mlflow.tracking import TrackingLocation, locate_tracking, start_run

NAME = "lorag-tuned"


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> TrackingLocation:
    """One database for all tests: making it takes seconds."""
    return locate_tracking(tmp_path_factory.mktemp("state"), {})


@pytest.fixture(scope="module")
def client(location: TrackingLocation) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=location.uri)


def register(location: TrackingLocation, sha256: str, folder: Path, name: str = NAME) -> tuple[str, str]:
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(sha256.encode())
    (folder / "adapter_config.json").write_text("{}")
    with start_run(location, "lorag", f"retrain {sha256}", {}) as run:
        version = register_adapter(location, run.run_id, name, sha256, folder, {"lorag.base_model_sha256": "base"})
    return version, run.run_id


def test_the_alias_follows_what_is_served(location: TrackingLocation, client: Any, tmp_path: Path) -> None:
    first, run_id = register(location, "aaa", tmp_path / "a")
    assert point_champion_at(location, NAME, "aaa")
    assert int(client.get_model_version_by_alias(NAME, CHAMPION).version) == int(first)
    second, _ = register(location, "bbb", tmp_path / "b")
    assert int(client.get_model_version_by_alias(NAME, CHAMPION).version) == int(first), "it moves only when told"
    assert point_champion_at(location, NAME, "bbb")
    served = client.get_model_version_by_alias(NAME, CHAMPION)
    assert str(served.version) == second != first
    assert {SHA256_TAG: "bbb", "lorag.base_model_sha256": "base"}.items() <= served.tags.items()
    assert point_champion_at(location, NAME, "aaa"), "a rollback points it back"
    back = client.get_model_version_by_alias(NAME, CHAMPION)
    assert (str(back.version), back.run_id) == (first, run_id)


def test_a_version_holds_the_adapters_files_and_nothing_else(
    location: TrackingLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    register(location, "ccc", tmp_path / "c")
    assert point_champion_at(location, NAME, "ccc")
    # The library puts it into the environment, where other tests would find it.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", location.uri)
    found = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@{CHAMPION}", dst_path=str(tmp_path / "got")))
    files = {path.name: path.read_bytes() for path in found.rglob("*") if path.is_file()}
    files.pop("registered_model_meta", None)
    assert files == {"adapter_model.safetensors": b"ccc", "adapter_config.json": b"{}"}


def test_the_same_adapter_is_registered_once(location: TrackingLocation, client: Any, tmp_path: Path) -> None:
    first, _ = register(location, "ddd", tmp_path / "d", "other")
    again, _ = register(location, "ddd", tmp_path / "d", "other")
    assert first == again
    assert len(client.search_model_versions("name = 'other'")) == 1


def test_an_adapter_that_nobody_registered_has_no_alias(location: TrackingLocation) -> None:
    assert not point_champion_at(location, NAME, "zzz")
    assert not point_champion_at(location, "nothing", "aaa")


def test_a_registry_that_is_down_is_told() -> None:
    with pytest.raises(StoreFailed, match="127.0.0.1:9"):
        point_champion_at(TrackingLocation("http://127.0.0.1:9", None), NAME, "aaa")
