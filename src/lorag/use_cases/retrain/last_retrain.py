"""The time of each adapter's last retrain, whatever became of it: the policy counts updates and days from there."""

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lorag.costs.due import Since
from lorag.costs.evidence import SECONDS_A_DAY
from lorag.releases.durable import write_json_durably
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace


def keep_retrain(kinds: Iterable[AdapterKind], workspace: Workspace) -> None:
    """Record that these adapters were retrained now, also if a gate refused them or a forecast stopped them."""
    kept = [kind.value for kind in kinds]
    if not kept:
        return
    newest = next(iter(ReleaseShelf(workspace.state).releases()), None)
    utc = datetime.now(UTC).isoformat(timespec="seconds")
    now = {"utc": utc, "n_updates": newest.n_updates if newest else 0}
    write_json_durably(_path(workspace), {**_read(workspace), **dict.fromkeys(kept, now)})


def since_last_retrain(workspace: Workspace, kind: AdapterKind, entry: AdapterEntry, newest: Release) -> Since:
    """Return what has passed since the last retrain of a served adapter; `newest` is the newest release.

    Where none is recorded, as in a workspace of an earlier version, days count from when the adapter was put here.
    """
    known = since_last_try(workspace, kind, newest)
    if known is not None:
        return known
    try:
        put_s = (workspace.adapters / entry.sha256).stat().st_mtime
    except OSError:
        return Since()
    return Since(days=_days(time.time() - put_s))


def since_last_try(workspace: Workspace, kind: AdapterKind, newest: Release) -> Since | None:
    """Return what has passed since an adapter was last trained, refused or stopped; None if that never happened."""
    last = _read(workspace).get(kind)
    if last is None:
        return None
    try:
        passed = datetime.now(UTC) - datetime.fromisoformat(last["utc"])
        return Since(max(0, newest.n_updates - int(last["n_updates"])), _days(passed.total_seconds()))
    except (TypeError, KeyError, ValueError):
        return None


def _days(seconds: float) -> float:
    # The clock may have been set back since.
    return max(0.0, seconds) / SECONDS_A_DAY


def _read(workspace: Workspace) -> dict[str, Any]:
    try:
        value = json.loads(_path(workspace).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # In the worst case a retrain runs too soon, and finds nothing to do.
        return {}
    return value if isinstance(value, dict) else {}


def _path(workspace: Workspace) -> Path:
    return workspace.state / "last_retrains.json"
