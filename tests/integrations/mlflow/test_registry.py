"""The registry for real, on a database in a file."""

from pathlib import Path
from typing import Any

import pytest

from lorag.answering.prompts import closed_book_messages
from lorag.errors import StoreFailed
from lorag.integrations.mlflow.registry import (
    CHAMPION,
    SHA256_TAG,
    AdapterSource,
    find_adapter,
    point_champion_at,
    register_adapter,
)
from lorag.integrations.mlflow.tracking import TrackingLocation, locate_tracking, start_run
from lorag.params_file import load_params
from lorag.strategies import AdapterKind

NAME = "lorag-tuned"
GENERATION = load_params(Path(__file__).parents[3] / "params.yaml").generation


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
    source = AdapterSource(AdapterKind.TUNED, sha256, folder, "base", GENERATION)
    with start_run(location, "lorag", f"retrain {sha256}", {}) as run:
        registered = register_adapter(location, run.run_id, name, source, {"lorag.base_model_sha256": "base"})
    assert find_adapter(location, name, sha256) == registered
    return registered.version, run.run_id


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


def test_a_version_holds_the_adapter_and_code_but_no_pickle_and_no_base_model(
    location: TrackingLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    register(location, "ccc", tmp_path / "c")
    assert point_champion_at(location, NAME, "ccc")
    # The library puts it into the environment, where other tests would find it.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", location.uri)
    found = Path(mlflow.artifacts.download_artifacts(f"models:/{NAME}@{CHAMPION}", dst_path=str(tmp_path / "got")))
    files = {path.relative_to(found): path.read_bytes() for path in found.rglob("*") if path.is_file()}
    adapter = {path.name: content for path, content in files.items() if path.parent.parts[-1:] == ("c",)}
    assert adapter == {"adapter_model.safetensors": b"ccc", "adapter_config.json": b"{}"}
    assert {path.suffix for path in files} <= {".safetensors", ".json", ".py", ".yaml", ".yml", ".txt", ""}
    assert sum(len(content) for content in files.values()) < 50_000


def test_the_champion_answers_through_mlflow(
    location: TrackingLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow.pyfunc import load_model

    from lorag.integrations.models.files import base_model_sha256
    from lorag.integrations.models.generator_transformers import TransformersGenerator
    from tests.tiny import make_tiny_adapter, make_tiny_model

    base = make_tiny_model(tmp_path / "model")
    adapter = make_tiny_adapter(base, tmp_path / "adapter")
    generation = GENERATION.model_copy(update={"model": str(base), "max_new_tokens": 8})
    source = AdapterSource(AdapterKind.TUNED, "eee", adapter, base_model_sha256(str(base)), generation)
    with start_run(location, "lorag", "retrain eee", {}) as run:
        registered = register_adapter(location, run.run_id, "asked", source, {})
        run.log_metrics({"probe.new_facts": 0.9}, model_id=registered.model_id)
    assert point_champion_at(location, "asked", "eee")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", location.uri)
    questions = ["How deep is berth 4?", "Who is the pilot?"]
    answers = load_model(f"models:/asked@{CHAMPION}").predict(questions)
    own = TransformersGenerator(base, temperature=generation.temperature, seed=generation.seed, adapter=adapter)
    prompts = [closed_book_messages(question, AdapterKind.TUNED.strategy) for question in questions]
    assert answers == [each.text.strip() for each in own.generate_batch(prompts, max_new_tokens=8)]
    assert any(answers)


def test_metrics_of_an_adapter_are_shown_with_its_model(
    location: TrackingLocation, client: Any, tmp_path: Path
) -> None:
    _, run_id = register(location, "fff", tmp_path / "f", "compared")
    registered = find_adapter(location, "compared", "fff")
    with start_run(location, "lorag", "answers", {}) as run:
        run.log_metrics({"quality.accuracy": 0.8}, model_id=registered.model_id if registered else None)
    model = client.get_logged_model(registered.model_id if registered else "")
    assert {metric.key: metric.value for metric in model.metrics} == {"quality.accuracy": 0.8}
    assert model.source_run_id == run_id


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
