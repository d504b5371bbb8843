"""Models that changed under their name, or are gone: said with what to do, and followed by a refresh."""

from pathlib import Path

import pytest

from lorag.errors import LoragError, WorkspaceError
from lorag.integrations.models.files import resolve_model
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.asking.search_contexts import open_search
from lorag.use_cases.change_params import change_params
from lorag.use_cases.serve.examine import examine
from lorag.use_cases.serve.serve import open_served
from lorag.use_cases.serve.status import Status, read_status
from tests.use_cases.conftest import Place


@pytest.fixture
def own_models(place: Place) -> Place:
    """A served workspace with a copy of the embedder that may be touched."""
    embedder = resolve_model(place.params.embedding.model)
    for path in embedder.rglob("*"):
        if path.is_file():
            copy = place.workspace.root / "embedder" / path.relative_to(embedder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes()) if path.suffix == ".json" else copy.symlink_to(path)
    change_params(place.workspace.params_file, {"embedding": {"model": "embedder"}})
    place.refresh()
    return place


def status(place: Place) -> Status:
    return read_status(place.workspace, place.params)


def touch(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def test_other_files_of_the_same_models_are_noticed_and_a_refresh_follows_them(own_models: Place) -> None:
    place = own_models
    first = place.publish_adapter(1)
    assert set(status(place).models.values()) == {None}
    touch(place.workspace.root / "embedder" / "tokenizer_config.json")
    touch(place.model / "tokenizer_config.json")

    found = status(place)
    assert found.params_changed and not found.to_json()["up_to_date"]
    problems = found.to_json()["models"]
    assert problems["embedder"].endswith("run `lorag refresh`")
    assert problems["base_model"].endswith("run `lorag retrain`")
    failed = {check.name for check in examine(place.workspace, place.params, {}) if check.problem}
    assert failed == {"files of embedder", "files of base_model"}
    with (
        pytest.raises(WorkspaceError, match="other files of embedder"),
        open_served(place.workspace, place.params, {}),
    ):
        pass
    artifacts = load_wanted(place.workspace)
    with pytest.raises(WorkspaceError, match="another model"), open_search(artifacts, place.workspace, place.params):
        pass

    second = place.refresh()
    assert second.embedder_fingerprint != first.embedder_fingerprint
    assert second.index.name != first.index.name and second.adapters == {}
    assert set(status(place).models.values()) == {None} and status(place).to_json()["up_to_date"]
    with open_served(place.workspace, place.params, {}) as served:
        assert served.release.id == second.id


def test_faults_3_a_model_that_cannot_be_found_is_named(served: Place) -> None:
    served.model.rename(served.model.with_name("gone"))
    found = status(served)
    assert found.to_json()["up_to_date"]
    assert found.models["embedder"] is None
    assert found.models["base_model"] and "no model at" in found.models["base_model"]


def test_a_source_that_is_gone_takes_nothing_out_of_service_and_the_error_says_so(served: Place) -> None:
    release = ReleaseShelf(served.workspace.state).used_id()
    origin = served.workspace.resolve(served.params.knowledge.origin or served.params.knowledge.source)
    origin.rename(origin.with_name("gone"))
    with pytest.raises(LoragError) as caught:
        status(served)
    assert caught.value.more[-1] == f"Release {release} stays in service."
