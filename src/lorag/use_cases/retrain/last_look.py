"""What the last retrain of each adapter saw: it tells a retrain that is due from one that would find nothing."""

import json
from pathlib import Path
from typing import Any

from lorag.costs.pending import Look
from lorag.knowledge.artifacts import read_documents
from lorag.releases.durable import write_json_durably
from lorag.strategies import AdapterKind
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.workspace import Workspace


def read_look(workspace: Workspace, kind: AdapterKind, sha256: str) -> Look | None:
    """What was seen when that adapter was found or made to be the one that is wanted; None where that was never."""
    value = _read(_path(workspace)).get(kind)
    return Look(value["documents"], value["facts"]) if value and value["sha256"] == sha256 else None


def write_look(workspace: Workspace, kind: AdapterKind, sha256: str) -> None:
    """Notes the documents and facts of now, from which a retrain has just made that adapter."""
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
        # At worst a retrain is due that finds nothing to do.
        return {}
    return value


def _path(workspace: Workspace) -> Path:
    return workspace.state / "last_looks.json"
