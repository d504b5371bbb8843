"""What is served, and how the source differs from it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lorag.adapters.blob_cache import BlobCache
from lorag.errors import IntegrityFailed
from lorag.knowledge.changes import CorpusChanges, compare_versions
from lorag.knowledge.documents import Rejected
from lorag.params import Params
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.pipeline import read_source
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Status:
    """The served release against the source as it is now."""

    served: Release | None
    newest: str | None
    changes: CorpusChanges
    rejected: Sequence[Rejected]
    params_changed: bool

    def to_json(self) -> dict[str, Any]:
        """The object that `lorag status --json` prints."""
        return {
            "served": self.served.id if self.served else None,
            "newest": self.newest,
            "created_utc": self.served.created_utc if self.served else None,
            "up_to_date": self.served is not None and self.changes.is_empty and not self.params_changed,
            "params_changed": self.params_changed,
            "changes": asdict(self.changes),
            "rejected": [{"name": r.name, "reason": r.reason.value, "detail": r.detail} for r in self.rejected],
        }


def read_status(workspace: Workspace, params: Params) -> Status:
    """Reads the origin of the source, through the parse cache, and compares it with the served release."""
    shelf = ReleaseShelf(workspace.state)
    try:
        served = shelf.served()
    except IntegrityFailed:
        served = None
    origin = workspace.resolve(params.knowledge.origin or params.knowledge.source)
    workspace.state.mkdir(exist_ok=True)
    with BlobCache(workspace.cache_file) as cache:
        corpus = read_source(origin, params.knowledge, cache)
    versions = {document.id: document.version for document in corpus.documents}
    before = {key: entry.version for key, entry in served.documents.items()} if served else {}
    newest = next(iter(shelf.releases()), None)
    return Status(
        served,
        newest.id if newest else None,
        compare_versions(before, versions),
        corpus.rejected,
        served is not None and served.params_digest != params.digest,
    )
