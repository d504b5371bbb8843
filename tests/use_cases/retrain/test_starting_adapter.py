"""Which adapter a training continues from, and what the stage makes of it."""

import json

import pytest

from lorag.errors import InputRejected, IntegrityFailed, WorkspaceError
from lorag.releases.adapter_shelf import WEIGHTS, AdapterShelf, adapter_sha256
from lorag.stages import run_stage
from lorag.strategies import AdapterKind
from lorag.use_cases.retrain.starting_adapter import read_starts, write_starts
from tests.use_cases.conftest import Place

TUNED = AdapterKind.TUNED


def pin(place: Place, *, start: str) -> str:
    folder = place.make_adapter(1)
    sha256 = AdapterShelf(place.workspace.adapters).keep({path.name: path for path in folder.iterdir()})
    write_starts(place.workspace, {TUNED: sha256})
    text = place.workspace.params_file.read_text()
    place.workspace.params_file.write_text(text.replace("start: champion", f"start: {start}", 1))
    return sha256


def test_a_new_workspace_starts_from_scratch(place: Place) -> None:
    assert read_starts(place.workspace) == {TUNED: None, AdapterKind.HYBRID: None}
    run_stage("starting_adapter", place.workspace.root, "tuned")
    folder = place.workspace.start_folder(TUNED)
    assert [path.name for path in folder.iterdir()] == ["start.json"]
    assert json.loads((folder / "start.json").read_text()) == {"sha256": None}


def test_the_pinned_adapter_is_copied_where_params_continue(place: Place) -> None:
    sha256 = pin(place, start="champion")
    run_stage("starting_adapter", place.workspace.root, "tuned")
    folder = place.workspace.start_folder(TUNED)
    assert adapter_sha256(folder) == sha256
    assert json.loads((folder / "start.json").read_text()) == {"sha256": sha256}


def test_a_pin_has_no_effect_where_params_start_from_scratch(place: Place) -> None:
    pin(place, start="scratch")
    run_stage("starting_adapter", place.workspace.root, "tuned")
    assert not (place.workspace.start_folder(TUNED) / WEIGHTS).exists()


def test_a_pinned_adapter_that_is_not_here_is_one_clear_error(place: Place) -> None:
    pin(place, start="champion")
    write_starts(place.workspace, {TUNED: "f" * 64})
    with pytest.raises(IntegrityFailed, match="not there"):
        run_stage("starting_adapter", place.workspace.root, "tuned")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"tuned": null}'])
def test_a_damaged_file_of_starts_says_what_to_write(place: Place, text: str) -> None:
    place.workspace.starts_file.write_text(text)
    with pytest.raises(WorkspaceError, match='write {"tuned": null, "hybrid": null}'):
        read_starts(place.workspace)


@pytest.mark.parametrize(("stage", "adapter"), [("adapter", None), ("documents", "tuned"), ("adapter", "magic")])
def test_a_stage_that_does_not_exist_is_refused(place: Place, stage: str, adapter: str | None) -> None:
    with pytest.raises(InputRejected, match="no stage"):
        run_stage(stage, place.workspace.root, adapter)
