"""The reports of a workspace that other commands wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from lorag.errors import IntegrityFailed, ParamsError
from lorag.evaluation.timeline_records import NAME, Timeline
from lorag.workspace import Workspace

Read = TypeVar("Read")

WALK = Path("build/timeline")
"""Where `lorag timeline` keeps a walk."""


def find_timeline(workspace: Workspace, walk: Path | None = None) -> Timeline | None:
    """The walk in the folder `walk`; None for the last one over all facts, and where there was none yet."""
    if walk is not None:
        found = read_report(walk / "reports" / NAME, Timeline.from_json)
        if found is None:
            raise ParamsError("no walk was finished there", where=str(walk), do=f"run `lorag timeline --into {walk}`")
        return found
    # The workspace of a walk lies in the walk's folder, beside its reports.
    own = [workspace.root.parent / "reports"] if workspace.root.name == "workspace" else []
    places = [workspace.reports, workspace.root / WALK / "reports", *own]
    return next((found for place in places if (found := read_report(place / NAME, Timeline.from_json))), None)


def read_report(path: Path, read: Callable[[Any], Read]) -> Read | None:
    """What `read` makes of a report; None where there is none. Raises IntegrityFailed for a damaged one."""
    try:
        return read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFailed(
            f"damaged report: {error!r}", where=f"{path.parent.name}/{path.name}", do="delete it, or make it again"
        ) from error
