"""The knowledge that each adapter's last retrain saw: it shows whether another retrain would find anything new."""

import json
from pathlib import Path
from typing import Any

from lorag.costs.due import Look
from lorag.knowledge.artifacts import read_documents
from lorag.releases.durable import write_json_durably
from lorag.strategies import AdapterKind
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.workspace import Workspace


def read_look(workspace: Workspace, kind: AdapterKind, sha256: str) -> Look | None:
    """Return what the last retrain that made or confirmed this adapter saw; None if there was none."""
    value = _read(_path(workspace)).get(kind)
    return Look(value["documents"], value["facts"]) if value and value["sha256"] == sha256 else None


def write_look(workspace: Workspace, kind: AdapterKind, sha256: str) -> None:
    """Record the current documents and facts, from which a retrain has just made or confirmed this adapter."""
    lineage = read_lineage(workspace.training_folder(kind))
    look = {
        "sha256": sha256,
        "documents": {document.id: document.version for document in read_documents(workspace.documents_file)},
        "facts": lineage["facts"] if lineage else {},
    }
    write_json_durably(_path(workspace), {**_read(_path(workspace)), kind.value: look})


def _read(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # In the worst case a retrain runs that finds nothing to do.
        return {}
    return value


def _path(workspace: Workspace) -> Path:
    return workspace.state / "last_looks.json"
