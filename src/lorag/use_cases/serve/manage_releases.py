"""Roll back, and check that what is served is what was published."""

import logging
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress

from lorag.counted import counted
from lorag.errors import IntegrityFailed, LoragError, NotThere, StoreFailed, WorkspaceError
from lorag.failpoints import reach
from lorag.integrations.mlflow.registry import point_champion_at, registered_name
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.audit import Action, read_audit
from lorag.releases.checks import Check
from lorag.releases.durable import writer_lock
from lorag.releases.record import Release
from lorag.releases.shelf import POINTER, ReleaseShelf
from lorag.releases.withdrawn import read_withdrawn, withdraw_newer
from lorag.retrieval.index.store import IndexStore
from lorag.use_cases.refresh.refresh_index import LOST_CHUNKS, REMOVE, require_intact
from lorag.use_cases.serve.kept_router import check_routers
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


def roll_back(workspace: Workspace, params: Params, environment: Mapping[str, str], to: str | None) -> Release:
    """Serve an older release again: the one that `to` names by id or generation, or the newest whole one before it.

    Only the pointer moves, after every row of the release's index and every byte of its adapters were compared with
    what was published; a damaged release before the served one is named in a warning and passed over. The registry's
    aliases follow if MLflow can be reached. The next refresh follows the source again, with the adapters of this
    release. Adapters of newer releases are not served until a newer candidate passes its gate, or until a rollback to a
    release that has them. Raises WorkspaceError if there is nothing to roll back to, IntegrityFailed if what could be
    rolled back to is damaged, and Busy while a writer runs.
    """
    shelf = ReleaseShelf(workspace.state)
    with writer_lock(workspace.lock_file):
        reach("rollback.before")
        candidates = [shelf.as_of(to)] if to is not None else _before_served(shelf)
        store = open_store(params.index, workspace.state, environment)
        try:
            target = _first_whole(candidates, store, workspace)
        finally:
            store.close()
        reach("rollback.verified")
        withdraw_newer(target, shelf.releases(), workspace.state)
        shelf.point_at(target, expected_served=shelf.pointed_id())
        reach("rollback.after")
    _point_champions_at(target, workspace, params, environment)
    return target


def _point_champions_at(release: Release, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> None:
    location = locate_tracking(workspace.state, environment)
    try:
        for kind, entry in release.adapters.items():
            point_champion_at(location, registered_name(params.tracking.experiment, kind), entry.sha256)
    except StoreFailed as error:
        logger.warning("the release is served, but the registry was not updated: %s", error)


def _before_served(shelf: ReleaseShelf) -> list[Release]:
    served = shelf.used_id()
    older = [release for release in shelf.releases() if served is not None and release.id < served]
    if shelf.pointed_id() is None:
        # Nothing says which one was served: the newest is the one to go back to.
        older = shelf.releases()
    if not older:
        raise WorkspaceError("no older release to roll back to", do="`lorag releases` lists the retained ones")
    return older


def _first_whole(candidates: Sequence[Release], store: IndexStore, workspace: Workspace) -> Release:
    """Return the first release that is what was published; raise the error of the last one if none is."""
    for release in candidates:
        try:
            verify_all(release, store, workspace)
            return release
        except IntegrityFailed as error:
            if release is candidates[-1]:
                raise
            logger.warning("release %s is damaged and is passed over: %s", release.id, error)
    raise AssertionError("there is at least one candidate")


def verify_all(release: Release, store: IndexStore, workspace: Workspace) -> None:
    """Compare the index and the adapters of a release with what was published; raise IntegrityFailed."""
    require_intact(release, store)
    for entry in release.adapters.values():
        AdapterShelf(workspace.adapters).open(entry.sha256)


def check_releases(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> list[Check]:
    """Check every retained release completely: records, digests, and a search for each served chunk by its vector.

    A release that a writer drops meanwhile is left out; one that is being checked is not dropped.
    """
    shelf = ReleaseShelf(workspace.state)
    checks = [Check(f"record {error.where}", f"{error.what}; {REMOVE}") for error in shelf.damaged()]
    checks += [_check_pointer(shelf), *_check_withdrawn(workspace), *_check_audit(shelf)]
    checks += [Check("router", problem) for problem in check_routers(workspace)]
    releases = shelf.releases()
    if not releases:
        return checks
    store = open_store(params.index, workspace.state, environment)
    try:
        served = shelf.used_id()
        for release in releases:
            with shelf.hold(release.id), suppress(NotThere):
                shelf.read(release.id)
                checks.append(_check_release(release, store, search_each=release.id == served))
                checks += _check_adapters(release, AdapterShelf(workspace.adapters), {check.name for check in checks})
    except LoragError as error:
        checks.append(Check("served release", str(error)))
    finally:
        store.close()
    return checks


def mend_releases(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> list[str]:
    """Remove what is damaged from the shelf, and serve the newest whole release if the served one is not whole.

    Returns what was done, a sentence each. If no release is whole, nothing is done: raises IntegrityFailed. Raises Busy
    while a writer runs.
    """
    shelf = ReleaseShelf(workspace.state)
    with writer_lock(workspace.lock_file):
        store = open_store(params.index, workspace.state, environment)
        try:
            whole, damaged = _sort_out(shelf, store, workspace)
            unreadable = [error.where for error in shelf.damaged()]
            if not whole and (damaged or unreadable):
                raise IntegrityFailed(
                    "no release is whole", where=str(workspace.root), do="run `lorag refresh --rebuild`"
                )
            done = [f"removed {name}, which is damaged" for name in (*damaged, *unreadable)]
            if whole and shelf.pointed_id() not in {release.id for release in whole}:
                shelf.point_at(whole[0], expected_served=shelf.pointed_id())
                done.append(f"release {whole[0].id} is served")
            if damaged or unreadable:
                shelf.forget(damaged)
                store.drop_all_but([release.index for release in whole])
                AdapterShelf(workspace.adapters).retain(whole)
        finally:
            store.close()
    return done


def _sort_out(shelf: ReleaseShelf, store: IndexStore, workspace: Workspace) -> tuple[list[Release], list[str]]:
    """Return the releases that are whole, newest first, and the ids of those that are not."""
    whole, damaged = [], []
    for release in shelf.releases():
        try:
            verify_all(release, store, workspace)
            whole.append(release)
        except IntegrityFailed:
            damaged.append(release.id)
    return whole, damaged


def _check_pointer(shelf: ReleaseShelf) -> Check:
    try:
        served = shelf.served()
    except NotThere as error:
        return Check(
            "served release", f"{POINTER} names {error.what}; `lorag doctor --mend` serves the newest whole one"
        )
    except LoragError as error:
        return Check("served release", str(error))
    newest = next(iter(shelf.releases()), None)
    if served is None:
        return Check("served release", detail="nothing published yet")
    behind = "" if newest is None or newest.id == served.id else f", {newest.id} is newer"
    return Check("served release", detail=f"{served.id}{behind}")


def _check_withdrawn(workspace: Workspace) -> list[Check]:
    """Return a check that failed if the list of adapters that were rolled back is damaged."""
    try:
        read_withdrawn(workspace.state)
    except IntegrityFailed as error:
        return [Check("withdrawn adapters", str(error))]
    return []


def _check_audit(shelf: ReleaseShelf) -> list[Check]:
    """Return a check of the audit log, none in a workspace whose earlier version kept none."""
    try:
        lines = read_audit(shelf.folder)
    except IntegrityFailed as error:
        return [Check("audit log", f"{error.where}: {error.what}; {error.do}")]
    if not lines:
        return []
    served = shelf.pointed_id()
    serving = [line for line in lines if line.get("action") == Action.SERVE]
    # Before the first line there may have been releases, and a writer may be killed before it moves the pointer.
    noted = {line.get(key) for line in serving for key in ("release", "instead_of")}
    if served is not None and serving and served not in noted:
        return [Check("audit log", f"no line says who put {served} in service; find out, then run `lorag rollback`")]
    return [Check("audit log", detail=f"{len(lines)} lines, the chain holds")]


def _check_adapters(release: Release, shelf: AdapterShelf, known: Collection[str]) -> list[Check]:
    """Return one check for each adapter that an earlier check does not name: several releases may share one."""
    checks = []
    for entry in release.adapters.values():
        name = f"adapter {entry.id}"
        if name in known:
            continue
        try:
            shelf.open(entry.sha256)
            checks.append(Check(name, detail="its digest matches"))
        except LoragError as error:
            checks.append(Check(name, str(error)))
    return checks


def _check_release(release: Release, store: IndexStore, *, search_each: bool) -> Check:
    name = f"release {release.id}"
    try:
        require_intact(release, store)
        if search_each:
            lost = store.unreachable(release.index, list(store.rows(release.index)))
            if lost:
                return Check(name, f"{counted(len(lost), *LOST_CHUNKS)}; run `lorag refresh --rebuild`")
    except LoragError as error:
        return Check(name, str(error))
    return Check(name, detail=f"{counted(release.n_chunks, 'chunk')}, both digests match")
