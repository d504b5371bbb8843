"""Adapters that are on this machine but not served: the one that was trained last, and those of retained releases."""

import json
from dataclasses import dataclass
from pathlib import Path

from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.integrations.models.files import base_model_sha256
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf, adapter_sha256
from lorag.releases.forgotten import read_forgotten
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.workspace import Workspace

CANDIDATE = "candidate"
"""The name of the adapter that was trained last, whether or not its gate refused it."""

_LEAST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class FoundAdapter:
    """An adapter with its folder, and whether the served release has it."""

    id: str
    sha256: str
    folder: Path
    is_served: bool


def find_adapter(name: str, kind: AdapterKind, workspace: Workspace, params: Params) -> FoundAdapter:
    """Return the adapter of this kind that `name` names: its id, four or more digits of its sha256, or `candidate`.

    Raises WorkspaceError for a name of none or of several, and if the adapter's base model is not the one that params
    name, or if it may have learned from a forgotten document; IntegrityFailed for one that is damaged.
    """
    found = _known(kind, workspace)
    newest = newest_candidate(kind, workspace)
    if name == CANDIDATE:
        chosen = {newest} if newest else set()
    else:
        digits = name.removeprefix(f"{kind}-")
        named = [sha256 for sha256 in found if sha256.startswith(digits)]
        chosen = set(named) if len(digits) >= _LEAST_PREFIX else set()
    if len(chosen) != 1:
        known = ", ".join(f"{kind}-{sha256[:10]}" for sha256 in found) or "none"
        raise WorkspaceError(
            f"{'several adapters' if chosen else f'no {kind} adapter'} {name!r}",
            where="--adapter",
            do=f"known are: {known}" if found else f"run `lorag retrain --adapter {kind}`",
        )
    sha256 = chosen.pop()
    folder = found[sha256]
    if folder.parent == workspace.adapters:
        folder = AdapterShelf(workspace.adapters).open(sha256)
    _refuse_other_base(folder, params)
    lineage = read_lineage(folder) or read_lineage(workspace.training_folder(kind)) or {}
    if read_forgotten(workspace.state).taught(lineage.get("documents", {})):
        raise WorkspaceError(
            "the adapter may have learned from a document that was forgotten",
            where="--adapter",
            do="run `lorag retrain`",
        )
    release = ReleaseShelf(workspace.state).in_use()
    served = release.adapters.get(kind) if release else None
    return FoundAdapter(f"{kind}-{sha256[:10]}", sha256, folder, served is not None and served.sha256 == sha256)


def newest_candidate(kind: AdapterKind, workspace: Workspace) -> str | None:
    """Return the sha256 of the adapter that was trained last; None if there is none."""
    try:
        return adapter_sha256(workspace.adapter_folder(kind))
    except IntegrityFailed:
        return None


def read_refused(kind: AdapterKind, workspace: Workspace) -> str | None:
    """Return the id of the adapter that was trained last if its gate refused it; otherwise None."""
    try:
        value = json.loads(workspace.refusal_file(kind).read_text(encoding="utf-8"))
        return str(value["adapter"]) if value["sha256"] == newest_candidate(kind, workspace) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _known(kind: AdapterKind, workspace: Workspace) -> dict[str, Path]:
    """Return the folder of each adapter by its sha256, the one that was trained last first."""
    newest = newest_candidate(kind, workspace)
    found = {newest: workspace.adapter_folder(kind)} if newest else {}
    for release in ReleaseShelf(workspace.state).releases():
        if entry := release.adapters.get(kind):
            found.setdefault(entry.sha256, workspace.adapters / entry.sha256)
    return found


def _refuse_other_base(folder: Path, params: Params) -> None:
    try:
        trained_on = json.loads((folder / "training.json").read_text(encoding="utf-8"))["base_model_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        # An adapter that was made elsewhere has no such record.
        return
    if trained_on != base_model_sha256(params.generation.model):
        raise WorkspaceError(
            f"the adapter was trained on another base model than {params.generation.model}",
            where="--adapter",
            do="set generation.model back to that base model",
        )
