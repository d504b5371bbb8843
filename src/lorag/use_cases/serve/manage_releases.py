"""Roll back, and check that what is served is what was published."""

import logging
from collections.abc import Mapping, Sequence

from lorag.errors import IntegrityFailed, LoragError, StoreFailed, WorkspaceError
from lorag.integrations.mlflow.registry import point_champion_at, registered_name
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.checks import Check
from lorag.releases.durable import writer_lock
from lorag.releases.record import Release, digest_rows
from lorag.releases.shelf import ReleaseShelf
from lorag.releases.withdrawn import withdraw_newer
from lorag.retrieval.index.store import IndexStore
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


def roll_back(workspace: Workspace, params: Params, environment: Mapping[str, str], to: str | None) -> Release:
    """Serve an older release again: the one that `to` names by id or generation, or the one before the served.

    Only the pointer moves, after the release's index was opened and counted and its adapters were compared byte for
    byte. The registry's aliases follow if MLflow can be reached. The next refresh follows the source again, with the
    adapters of this release. Adapters of newer releases are not served until a newer candidate passes its gate, or
    until a rollback to a release that has them. Raises WorkspaceError if there is nothing to roll back to, and Busy
    while a writer runs.
    """
    shelf = ReleaseShelf(workspace.state)
    with writer_lock(workspace.lock_file):
        target = shelf.as_of(to) if to else _before_served(shelf)
        store = open_store(params.index, workspace.state, environment)
        try:
            if store.count(target.index, expected=target.n_chunks) != target.n_chunks:
                raise IntegrityFailed(
                    "the index of this release does not hold the expected number of chunks",
                    where=target.id,
                    do="choose another",
                )
        finally:
            store.close()
        for entry in target.adapters.values():
            AdapterShelf(workspace.adapters).open(entry.sha256)
        withdraw_newer(target, shelf.releases(), workspace.state)
        shelf.point_at(target, expected_served=shelf.served_id())
    _point_champions_at(target, workspace, params, environment)
    return target


def _point_champions_at(release: Release, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> None:
    location = locate_tracking(workspace.state, environment)
    try:
        for kind, entry in release.adapters.items():
            point_champion_at(location, registered_name(params.tracking.experiment, kind), entry.sha256)
    except StoreFailed as error:
        logger.warning("the release is served, but the registry was not updated: %s", error)


def _before_served(shelf: ReleaseShelf) -> Release:
    served = shelf.served_id()
    older = [release for release in shelf.releases() if served is not None and release.id < served]
    if not older:
        raise WorkspaceError("no older release to roll back to", do="`lorag releases` lists the retained ones")
    return older[0]


def verify_release(release: Release, store: IndexStore) -> None:
    """Read every row, compare both digests and check the words; raise IntegrityFailed if bytes changed."""
    content, vectors, count = digest_rows(store.rows(release.index))
    if count != release.n_chunks:
        raise IntegrityFailed(f"{count} chunks, not {release.n_chunks}", where=release.id, do=_MEND)
    if content != release.content_digest:
        raise IntegrityFailed("the content is not what was published", where=release.id, do=_MEND)
    if vectors != release.vectors_digest:
        raise IntegrityFailed("the vectors are not what was published", where=release.id, do=_MEND)
    store.check_words(release.index)


def check_releases(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> list[Check]:
    """Check every retained release completely: records, digests, and a search for each served chunk by its vector."""
    shelf = ReleaseShelf(workspace.state)
    checks = [Check(f"record {error.where}", error.what) for error in shelf.damaged()]
    checks.append(_check_pointer(shelf))
    releases = shelf.releases()
    if not releases:
        return checks
    store = open_store(params.index, workspace.state, environment)
    try:
        served = shelf.served_id()
        for release in releases:
            checks.append(_check_release(release, store, search_each=release.id == served))
        checks += _check_adapters(releases, AdapterShelf(workspace.adapters))
    except LoragError as error:
        checks.append(Check("served release", str(error)))
    finally:
        store.close()
    return checks


def _check_pointer(shelf: ReleaseShelf) -> Check:
    try:
        served = shelf.served()
    except LoragError as error:
        return Check("served release", str(error))
    newest = next(iter(shelf.releases()), None)
    if served is None:
        return Check("served release", detail="nothing published yet")
    behind = "" if newest is None or newest.id == served.id else f", {newest.id} is newer"
    return Check("served release", detail=f"{served.id}{behind}")


def _check_adapters(releases: Sequence[Release], shelf: AdapterShelf) -> list[Check]:
    """Return one check for each adapter, even if several releases name it."""
    checks = {}
    for entry in (entry for release in releases for entry in release.adapters.values()):
        try:
            shelf.open(entry.sha256)
            checks[entry.sha256] = Check(f"adapter {entry.id}", detail="its digest matches")
        except LoragError as error:
            checks[entry.sha256] = Check(f"adapter {entry.id}", str(error))
    return list(checks.values())


def _check_release(release: Release, store: IndexStore, *, search_each: bool) -> Check:
    name = f"release {release.id}"
    try:
        verify_release(release, store)
        if search_each:
            lost = store.unreachable(release.index, list(store.rows(release.index)))
            if lost:
                return Check(
                    name, f"{len(lost)} chunks are not found by their own vector; run `lorag refresh --rebuild`"
                )
    except LoragError as error:
        return Check(name, str(error))
    return Check(name, detail=f"{release.n_chunks} chunks, both digests match")


_MEND = "run `lorag rollback`, then `lorag refresh --rebuild`"
