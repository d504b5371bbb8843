"""The publication of adapters that passed their gate, in a release with the existing index."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from lorag.errors import GateRefused, IntegrityFailed, WorkspaceError
from lorag.failpoints import reach
from lorag.integrations import git_repo
from lorag.integrations.models.generators import prepare_generator
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.forgotten import read_forgotten
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace


def newest_release(workspace: Workspace) -> Release:
    """Return the release that a retrain builds on; raise WorkspaceError if nothing was published yet."""
    newest = next(iter(ReleaseShelf(workspace.state).releases()), None)
    if newest is None:
        raise WorkspaceError(
            "nothing is served yet, so there is no index for the adapters", do="run `lorag refresh` first"
        )
    return newest


def publish_adapters(
    entries: Mapping[AdapterKind, AdapterEntry],
    base_model_sha256: str,
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Release:
    """Publish a release: the newest index with these adapters, which are already on the shelf, and the others in use.

    Adapters of another base model are left out, as are those that a rollback took out of use, and those that may have
    learned from a forgotten document. The pointer moves only after the index was opened and counted and each adapter
    was compared byte for byte. Then what is no longer retained is deleted. Raises IntegrityFailed for an entry of a
    base model other than `base_model_sha256`, and GateRefused for one that learned from a forgotten document.
    """
    reach("adapters.before")
    newest = newest_release(workspace)
    shelf, adapters = ReleaseShelf(workspace.state), AdapterShelf(workspace.adapters)
    in_use, forgotten = shelf.in_use() or newest, read_forgotten(workspace.state)
    if any(forgotten.taught(entry.documents) for entry in entries.values()):
        raise GateRefused(
            "a document that the adapter was trained on was forgotten meanwhile",
            do="run `lorag forget` for it again, then `lorag retrain`",
        )
    carried = forgotten.clean(in_use.adapters)
    fitting = {kind: old for kind, old in carried.items() if old.base_model_sha256 == base_model_sha256}
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
        prepare_generator(params.generation, environment, adapters.open(entry.sha256))
    store = open_store(params.index, workspace.state, environment)
    try:
        if store.count(release.index, expected=release.n_chunks) != release.n_chunks:
            raise IntegrityFailed(
                "the index does not hold the expected number of chunks",
                where=newest.id,
                do="run `lorag refresh --rebuild`",
            )
        reach("adapters.verified")
        shelf.publish(release, expected_served=shelf.pointed_id())
        reach("adapters.pointed")
        retained = shelf.retain(params.index.retain_generations)
        store.drop_all_but([kept.index for kept in retained])
    finally:
        store.close()
    reach("adapters.dropped")
    adapters.retain(retained)
    reach("adapters.after")
    return release
