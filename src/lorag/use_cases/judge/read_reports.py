"""The reports that other commands wrote in a workspace."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lorag.errors import IntegrityFailed, ParamsError
from lorag.evaluation.timeline_records import NAME, Timeline
from lorag.workspace import Workspace

Read = TypeVar("Read")

WALK = Path("build/timeline")
"""The folder in which `lorag timeline` keeps a walk."""


def find_timeline(workspace: Workspace, walk: Path | None = None) -> Timeline | None:
    """Return the walk in folder `walk`, or without it the last one over all facts; None if there is none yet."""
    if walk is not None:
        found = read_report(walk / "reports" / NAME, Timeline.from_json)
        if found is None:
            raise ParamsError("no walk was finished there", where=str(walk), do=f"run `lorag timeline --into {walk}`")
        return found
    path = timeline_file(workspace)
    return read_report(path, Timeline.from_json) if path else None


def timeline_file(workspace: Workspace) -> Path | None:
    """Return the report of the last walk over all facts; None if there is none yet."""
    # The workspace of a walk lies in the walk's folder, beside its reports.
    own = [workspace.root.parent / "reports"] if workspace.root.name == "workspace" else []
    places = [workspace.reports, workspace.root / WALK / "reports", *own]
    return next((path for place in places if (path := place / NAME).is_file()), None)


def read_report(path: Path, read: Callable[[Any], Read]) -> Read | None:
    """Return a report parsed by `read`; None if there is none. Raises IntegrityFailed for a damaged one."""
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFailed(
            f"damaged report: {error!r}", where=f"{path.parent.name}/{path.name}", do="delete it, or create it again"
        ) from error
