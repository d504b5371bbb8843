"""The record of a retrain that its forecast stopped: it is reported once, and `lorag status` says what stands."""

import json
from pathlib import Path
from typing import Any

from lorag.digests import digest_of, sha256_hex
from lorag.params import Params
from lorag.releases.durable import write_json_durably
from lorag.strategies import AdapterKind
from lorag.tuning.forecast import Forecast
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.workspace import Workspace


def keep_stop(forecast: Forecast, workspace: Workspace, params: Params) -> bool:
    """Record that this forecast stopped a run; return whether the stop before it was another one, or none."""
    path = _stop_file(forecast.adapter, workspace)
    lineage = read_lineage(workspace.training_folder(forecast.adapter)) or {}
    stop = {
        "training_set_digest": lineage.get("training_set_digest"),
        "obstacles": [obstacle.sentence for obstacle in forecast.obstacles if obstacle.is_certain],
    }
    before = _read(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json_durably(path, {**stop, "under": _conditions(forecast.adapter, workspace, params)})
    return {name: before.get(name) for name in stop} != stop


def forget_stop(kind: AdapterKind, workspace: Workspace) -> None:
    """Remove the record of an earlier stop, because the training goes on."""
    _stop_file(kind, workspace).unlink(missing_ok=True)


def read_stop(kind: AdapterKind, workspace: Workspace, params: Params) -> tuple[str, ...]:
    """Return the sentences that say why the last retrain of this adapter was stopped.

    There are none if it was not stopped, or if the questions or the settings of its training or gate changed since: the
    next retrain then forecasts again.
    """
    stop = _read(_stop_file(kind, workspace))
    return tuple(stop["obstacles"]) if stop.get("under") == _conditions(kind, workspace, params) else ()


def _conditions(kind: AdapterKind, workspace: Workspace, params: Params) -> str:
    path = workspace.resolve(params.knowledge.questions_origin or params.knowledge.questions)
    questions = sha256_hex(path.read_bytes()) if path.is_file() else None
    sections = (params.training_set, params.training[kind], params.adapter_gate[kind], params.generation)
    return digest_of([questions, *(section.model_dump(mode="json") for section in sections)])


def _stop_file(kind: AdapterKind, workspace: Workspace) -> Path:
    return workspace.state / "stopped" / f"{kind}.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # At worst a stop is reported twice.
        return {}
    return value if isinstance(value, dict) else {}
