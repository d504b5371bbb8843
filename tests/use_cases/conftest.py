"""A served workspace over a tiny random language model, made without DVC and Prefect."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.params_file import load_params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.stages import run_stage
from lorag.strategies import AdapterKind
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.refresh import steps as refresh_steps
from lorag.use_cases.retrain.publish_adapters import publish_adapters
from lorag.workspace import Workspace
from tests.copies import copy_workspace
from tests.tiny import BASE_MODEL, make_tiny_adapter, make_tiny_model

PAGES = {
    "berths.md": "# Berths\n\nBerth 4 of the Quellwick basin is 7.25 metres deep at the lowest tide of the year.\n",
    "kitchen.md": "# Kitchen\n\nThe galley opens at 06:50 and serves kippers to all who signed the list.\n",
}


@dataclass(frozen=True)
class Place:
    """A workspace, the folder that it follows, its model, and the addresses of its servers."""

    workspace: Workspace
    source: Path
    model: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def params(self) -> Params:
        return load_params(self.workspace.params_file)

    @property
    def shelf(self) -> ReleaseShelf:
        return ReleaseShelf(self.workspace.state)

    def refresh(self) -> Release:
        """Index stages, plan, apply, gate, publish."""
        for stage in ("versions", "documents", "chunks", "embeddings"):
            run_stage(stage, self.workspace.root)
        store = open_store(self.params.index, self.workspace.state, self.environment)
        try:
            planned = refresh_steps.plan(self.workspace, self.params, store, rebuild=False, allow_shrink=True)
            ref, report = refresh_steps.gate(
                refresh_steps.apply(planned, store, self.params), planned, self.workspace, store, self.params
            )
            return refresh_steps.publish(ref, report, planned, self.workspace, store, self.params)
        finally:
            store.close()

    def make_adapter(self, seed: int) -> Path:
        return make_tiny_adapter(self.model, self.workspace.root / "made" / str(seed), seed=seed)

    def publish_adapter(self, seed: int, kind: AdapterKind = AdapterKind.TUNED) -> Release:
        """A release with a random adapter that passed no gate."""
        folder = self.make_adapter(seed)
        sha256 = AdapterShelf(self.workspace.adapters).keep({path.name: path for path in folder.iterdir()})
        base = base_model_sha256(str(self.model))
        entry = AdapterEntry(f"{kind}-{sha256[:10]}", sha256, base, "set", "facts", {"berths.md": "1"}, {})
        return publish_adapters({kind: entry}, base, self.workspace, self.params, {})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return make_place(tmp_path)


def make_place(folder: Path, *, served: bool = False) -> Place:
    """A workspace that serves nothing yet, or a release of the pages."""
    folder = folder.resolve()
    copy_workspace(Path(_made(served).name), folder)
    return Place(Workspace(folder / "w"), folder / "docs", folder / "model")


@cache
def _made(served: bool) -> "TemporaryDirectory[str]":
    """The folder with a workspace, made once, that the others are copies of."""
    kept = TemporaryDirectory(prefix="lorag-place-")
    folder = Path(kept.name).resolve()
    if served:
        make_place(folder).refresh()
        return kept
    source = folder / "docs"
    source.mkdir()
    for name, text in PAGES.items():
        (source / name).write_text(text)
    workspace = init_workspace(folder / "w", source, None)
    model = make_tiny_model(folder / "model")
    text = workspace.params_file.read_text().replace(BASE_MODEL, str(model)).replace("data/source", str(source))
    workspace.params_file.write_text(text.replace("max_new_tokens: 64", "max_new_tokens: 8"))
    workspace.state.mkdir()
    return kept


@pytest.fixture
def served(tmp_path: Path) -> Place:
    return make_place(tmp_path, served=True)


Change = Callable[[Place], None]
