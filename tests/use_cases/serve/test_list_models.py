"""The models that are listed are those that can be named, with what their files say."""

import json
from pathlib import Path

import pytest

from lorag.integrations.models.catalogue import ModelCard
from lorag.params import Engine, GenerationPrecision
from lorag.params_file import load_params
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.serve.list_models import list_models
from lorag.workspace import Workspace
from tests.tiny import BASE_MODEL, make_tiny_model


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("models")
    (folder / "docs").mkdir()
    (folder / "docs/a.md").write_text("# Berths\n\nBerth 4 is 7 m deep.\n", encoding="utf-8")
    model = make_tiny_model(folder / "workspace/models/tiny")
    (model / "README.md").write_text("---\nlicense: mit\n---\n", encoding="utf-8")
    return init_workspace(folder / "workspace", folder / "docs", None)


def test_packaged_and_own_models_are_listed_with_what_their_files_say(workspace: Workspace) -> None:
    listed = list_models(workspace, load_params(workspace.params_file), {}, measure=False)
    used, tiny = listed.models
    assert (used.card.reference, used.in_use, used.engine) == (BASE_MODEL, True, Engine.OPENVINO)
    assert used.card.licence == "apache-2.0" and used.card.context_tokens == 8192
    assert used.card.n_parameters is not None and 134e6 < used.card.n_parameters < 136e6
    assert (tiny.card.reference, tiny.in_use) == (str(workspace.root / "models/tiny"), False)
    assert (tiny.card.licence, tiny.card.context_tokens, tiny.card.refused) == ("mit", 2048, None)


def test_a_model_that_openvino_cannot_run_says_why(workspace: Workspace) -> None:
    path = workspace.root / "models/tiny/config.json"
    before = path.read_text(encoding="utf-8")
    path.write_text(json.dumps(json.loads(before) | {"model_type": "gemma"}), encoding="utf-8")
    tiny = list_models(workspace, load_params(workspace.params_file), {}, measure=False).models[1]
    path.write_text(before, encoding="utf-8")
    assert (tiny.engine, tiny.card.refused) == (Engine.TRANSFORMERS, "its architecture is gemma")


def test_a_measured_speed_is_kept(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORAG_HOME", str(tmp_path))
    params = load_params(workspace.params_file)
    only_tiny = params.model_copy(
        update={"generation": params.generation.model_copy(update={"model": str(workspace.root / "models/tiny")})}
    )
    monkeypatch.setattr("lorag.integrations.models.catalogue._in_packages", lambda: iter(()))
    measured = list_models(workspace, only_tiny, {}, measure=True).models[0].speed
    assert measured is not None and min(measured.read, measured.write, measured.write_8) > 0
    assert list_models(workspace, only_tiny, {}, measure=False).models[0].speed == measured


def test_behind_an_endpoint_no_model_here_is_in_use(workspace: Workspace) -> None:
    params = load_params(workspace.params_file)
    served = params.model_copy(update={"generation": params.generation.model_copy(update={"endpoint_model": "big"})})
    listed = list_models(workspace, served, {"LORAG_OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}, measure=False)
    assert listed.endpoint_model == "big"
    assert not any(model.in_use for model in listed.models)


def test_memory_is_weights_and_cache() -> None:
    card = ModelCard("m", 1, 1_000_000, None, None, None, 100)
    assert card.memory_bytes(GenerationPrecision.EXACT) == 4_000_000 + 16_384 * 400
    assert card.memory_bytes(GenerationPrecision.INT8) == pytest.approx(1_062_500 + 16_384 * 110)
