"""The adapter that a training continues from, pinned in starts.json so that a clean clone trains the same one."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorag.errors import ParamsError, WorkspaceError
from lorag.params import Params, TrainingStart
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace

RECORD = "training.json"
"""The record of how an adapter was trained; kept beside it."""

LINEAGE = "lineage.json"
"""The lineage of the training set that an adapter was trained on; kept beside the adapter."""


def read_lineage(folder: Path) -> dict[str, Any] | None:
    """Return the lineage beside an adapter; None if it is missing or damaged, which the sha256 cannot show."""
    try:
        value = json.loads((folder / LINEAGE).read_text(encoding="utf-8"))
        return value if isinstance(value["facts"], dict) and isinstance(value["refused"], list) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_starts(workspace: Workspace) -> dict[AdapterKind, str | None]:
    """Return the sha256 of the adapter that each training continues from; None for a training from scratch."""
    try:
        value = json.loads(workspace.starts_file.read_text(encoding="utf-8"))
        return {kind: value[kind.value] for kind in AdapterKind}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(
            f"cannot read which adapters to continue from: {error!r}",
            where=workspace.starts_file.name,
            do=f"write {json.dumps(dict.fromkeys(AdapterKind))} into it",
        ) from error


def write_starts(workspace: Workspace, starts: Mapping[AdapterKind, str | None]) -> None:
    """Write a file with every kind; those that `starts` leaves out begin from scratch."""
    value = {kind.value: starts.get(kind) for kind in AdapterKind}
    workspace.starts_file.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def copy_starting_adapter(adapter: AdapterKind, workspace: Workspace, params: Params) -> None:
    """Fill the start folder: start.json with a sha256, and that adapter's files; only a null for a start from scratch.

    Raises IntegrityFailed if the pinned adapter is not on this machine; `dvc pull` fetches the whole folder.
    """
    continues = params.training[adapter].start is TrainingStart.CHAMPION
    sha256 = read_starts(workspace)[adapter] if continues else None
    folder = workspace.start_folder(adapter)
    folder.mkdir(parents=True, exist_ok=True)
    if sha256 is not None:
        shutil.copytree(AdapterShelf(workspace.adapters).open(sha256), folder, dirs_exist_ok=True)
    (folder / "start.json").write_text(json.dumps({"sha256": sha256}) + "\n", encoding="utf-8")


def read_start(folder: Path, base_model: str) -> str | None:
    """Return the sha256 of the adapter to continue; raise ParamsError if it is known to have another base model."""
    start: str | None = json.loads((folder / "start.json").read_text(encoding="utf-8"))["sha256"]
    record = folder / RECORD
    if start is not None and record.is_file():
        trained_on = json.loads(record.read_text(encoding="utf-8"))["base_model_sha256"]
        if trained_on != base_model:
            raise ParamsError(
                "the adapter to continue from was trained on another base model",
                where="starts.json",
                do="set it to null there, or set generation.model back to that base model",
            )
    return start
