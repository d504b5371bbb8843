"""Adapters that may have learned from a forgotten document leave service at once; P25."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from lorag.errors import GateRefused, WorkspaceError
from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.models.openvino_model import adapter_forms
from lorag.integrations.stores import open_store
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.forgotten import forget, read_forgotten
from lorag.releases.record import AdapterEntry
from lorag.strategies import AdapterKind
from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate.forget import forget_document
from lorag.use_cases.operate.retrain_due import adapters_due
from lorag.use_cases.refresh import steps
from lorag.use_cases.refresh.carry_adapters import carry_adapters
from lorag.use_cases.retrain.publish_adapters import publish_adapters
from lorag.use_cases.retrain.starting_adapter import read_starts, write_starts
from lorag.use_cases.serve.candidates import find_adapter
from lorag.use_cases.serve.serve import open_served
from lorag.use_cases.serve.status import read_status
from tests.use_cases.conftest import Place, make_place

TUNED = AdapterKind.TUNED


def publish(place: Place, seed: int, documents: Mapping[str, str]) -> str:
    """A release with a random adapter that says it was trained on these documents."""
    folder = place.make_adapter(seed)
    sha256 = AdapterShelf(place.workspace.adapters).keep({path.name: path for path in folder.iterdir()})
    base = base_model_sha256(str(place.model))
    entry = AdapterEntry(f"tuned-{sha256[:10]}", sha256, base, "set", "facts", documents, {})
    publish_adapters({TUNED: entry}, base, place.workspace, place.params, {})
    return sha256


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = make_place(tmp_path)
    made.refresh()
    # A copy that was not made yet: forgetting deletes nothing in a source.
    change_params(made.workspace.params_file, {"knowledge": {"source": "data/source", "origin": "../docs"}})
    return made


def test_an_older_adapter_takes_over_if_it_never_saw_the_document_and_else_none(place: Place) -> None:
    workspace, params = place.workspace, place.params
    older, newer = publish(place, 1, {"kitchen.md": "1"}), publish(place, 2, {"berths.md": "an older version"})
    write_starts(workspace, {TUNED: newer})
    forget(workspace.state, ["berths.md"], [])
    with pytest.raises(WorkspaceError, match="may have learned"), open_served(workspace, params, {}, adapter=TUNED):
        pass
    with pytest.raises(WorkspaceError, match="may have learned"):
        find_adapter(newer, TUNED, workspace, params)

    receipt = forget_document("berths.md", workspace, params, {})
    served = place.shelf.served()
    assert served is not None and served.adapters[TUNED].sha256 == older
    assert (receipt.retrain, receipt.taken_over) == ((TUNED,), (TUNED,))
    assert [path.name for path in workspace.adapters.iterdir()] == [older] and read_starts(workspace)[TUNED] is None
    assert adapter_forms(place.model, [older]) and not adapter_forms(place.model, [newer]), "merged models go, too"

    receipt = forget_document("kitchen.md", workspace, params, {})
    served = place.shelf.served()
    assert served is not None and not served.adapters and served.base_model_sha256 is None
    assert receipt.retrain == (TUNED,) and not receipt.taken_over
    assert not list(workspace.adapters.iterdir())
    status = read_status(workspace, params)
    assert status.withdrawn == (TUNED,) and adapters_due(workspace, params) == [TUNED]


def test_an_adapter_of_unknown_lineage_counts_as_affected(place: Place) -> None:
    publish(place, 1, {})
    forget_document("kitchen.md", place.workspace, place.params, {})
    served = place.shelf.served()
    assert served is not None and not served.adapters


def test_no_later_release_carries_one_or_publishes_one(place: Place) -> None:
    publish(place, 1, {"berths.md": "1"})
    forget(place.workspace.state, ["berths.md"], [])
    assert carry_adapters(place.shelf.served(), place.params, read_forgotten(place.workspace.state)) == (None, {})
    with pytest.raises(GateRefused, match="forgotten meanwhile"):
        publish(place, 2, {"berths.md": "1"})
    store = open_store(place.params.index, place.workspace.state, {})
    planned = steps.plan(place.workspace, place.params, store, rebuild=True, allow_shrink=True)
    applied = steps.apply(planned, store, place.params)
    ref, report = steps.gate(applied, planned, place.workspace, store, place.params)
    with pytest.raises(GateRefused, match="forgotten while this ran"):
        steps.publish(ref, report, planned, place.workspace, store, place.params)
    store.close()
