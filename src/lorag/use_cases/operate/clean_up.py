"""The deletion of what no retained release needs: publishing does it too, but not after a killed or refused update."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.operate.backups import drop_expired
from lorag.use_cases.serve.manage_releases import verify_all
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class CleanUpOutcome:
    """The ids of the deleted releases and of the retained ones, newest first."""

    dropped: tuple[str, ...]
    retained: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"dropped": list(self.dropped), "retained": list(self.retained)}


def clean_up(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> CleanUpOutcome:
    """Keep `index.retain_generations` releases and the served one, with indexes and adapters; the caller locks.

    Generations that were written but never published are deleted too, and adapters that no retained release names.
    Nothing of these is deleted if nothing was published yet. Backups that may hold a forgotten document go at the end
    of their term. A second call changes nothing. In the end every byte of the served release is read, because a disk
    may lose some without any write: raises IntegrityFailed if that is so.
    """
    drop_expired(workspace)
    shelf = ReleaseShelf(workspace.state)
    before = [release.id for release in shelf.releases()]
    if not before:
        return CleanUpOutcome((), ())
    kept = shelf.retain(params.index.retain_generations)
    store = open_store(params.index, workspace.state, environment)
    try:
        store.drop_all_but([release.index for release in kept])
        AdapterShelf(workspace.adapters).retain(kept)
        for served in (release for release in kept if release.id == shelf.pointed_id()):
            verify_all(served, store, workspace)
    finally:
        store.close()
    retained = tuple(release.id for release in kept)
    return CleanUpOutcome(tuple(name for name in before if name not in retained), retained)
