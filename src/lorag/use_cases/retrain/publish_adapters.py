"""Adapters that passed their gate become a release over the index that is there."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.integrations import git_repo
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace


def newest_release(workspace: Workspace) -> Release:
    """What a retrain builds on; raises WorkspaceError where nothing was published yet."""
    newest = next(iter(ReleaseShelf(workspace.state).releases()), None)
    if newest is None:
        raise WorkspaceError("nothing is served yet, so there is no index to go with", do="run `lorag refresh` first")
    return newest


def publish_adapters(
    entries: Mapping[AdapterKind, AdapterEntry],
    base_model_sha256: str,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Release:
    """A new release: the newest index with these adapters, which are on the shelf already, and the others in use.

    Adapters of another base model do not go along, nor those that a rollback took out of use. The pointer moves last,
    after the index was opened and counted and each adapter was compared byte for byte; then what retention lets go is
    freed. Raises IntegrityFailed for an entry of another base model than `base_model_sha256`.
    """
    newest = newest_release(workspace)
    shelf, adapters = ReleaseShelf(workspace.state), AdapterShelf(workspace.adapters)
    in_use = shelf.in_use() or newest
    fitting = {kind: old for kind, old in in_use.adapters.items() if old.base_model_sha256 == base_model_sha256}
    release = replace(
        newest,
        generation=newest.generation + 1,
        base_model_sha256=base_model_sha256,
        adapters={**fitting, **entries},
        git_commit=git_repo.head_commit(workspace.root),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    release.check_base_model()
    for entry in release.adapters.values():
        adapters.open(entry.sha256)
    store = open_store(params.index, workspace.state, environment)
    try:
        if store.count(release.index, expected=release.n_chunks) != release.n_chunks:
            raise IntegrityFailed("the index is not whole", where=newest.id, do="run `lorag refresh --rebuild`")
        shelf.publish(release, expected_served=shelf.served_id())
        retained = shelf.retain(params.index.retain_generations)
        store.drop_all_but([kept.index for kept in retained])
    finally:
        store.close()
    adapters.retain(retained)
    return release
