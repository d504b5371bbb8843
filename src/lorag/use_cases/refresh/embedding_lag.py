"""How long changes of documents wait: until their vectors are served, or until now."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from lorag.knowledge.formats import RECORDS
from lorag.params import Params
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class EmbeddingLag:
    """The seconds from the change of a document's file to the release that serves it, over `n` documents."""

    median: float
    greatest: float
    n: int


def measure_lag(release: Release, workspace: Workspace, params: Params) -> EmbeddingLag | None:
    """Return the lag of the documents that are new or changed in the release; None if there are none.

    The first release has none: its documents are not changes. A file's time is that of its last edit, unless something
    else has set it since, such as a checkout of git. A file that is older than the release before does not count: it is
    read in another way now, or came here with its old time.
    """
    earlier = [each for each in ReleaseShelf(workspace.state).releases() if each.generation < release.generation]
    if not earlier:
        return None
    before = max(datetime.fromisoformat(each.created_utc).timestamp() for each in earlier)
    names = [name for name, entry in release.documents.items() if entry.generation == release.generation]
    served = datetime.fromisoformat(release.created_utc).timestamp()
    # A file that was edited again after it was read has a change that waits for the next release.
    lags = [served - at for at in changed_at(names, workspace, params).values() if before < at <= served]
    return EmbeddingLag(median(lags), max(lags), len(lags)) if lags else None


def changed_at(names: Iterable[str], workspace: Workspace, params: Params) -> dict[str, float]:
    """Return when the file of each document was written, in seconds since 1970; without those that have no file."""
    source = workspace.resolve(params.knowledge.origin or params.knowledge.source)
    found = {}
    for name in names:
        # A document that is no file is a record.
        places = (source / name, source / RECORDS) if source.is_dir() else (source,)
        if (written := next(filter(None, map(_written, places)), None)) is not None:
            found[name] = written
    return found


def _written(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except (OSError, ValueError):
        return None
