"""A release without forgotten documents, in place of all releases that may hold one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from lorag.failpoints import reach
from lorag.integrations import git_repo
from lorag.integrations.stores import open_store
from lorag.knowledge.artifacts import digest_of_versions
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.forgotten import Forgotten
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter, IndexRef, IndexStore
from lorag.retrieval.plan import plan_refresh
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.artifacts import Wanted
from lorag.use_cases.asking.golden import Golden
from lorag.use_cases.asking.versions import read_versions
from lorag.use_cases.refresh.refresh_index import apply_plan, gate_generation
from lorag.workspace import Workspace

DRAIN_S = 60
"""How long readers of the releases before may take to end, in seconds; a question has less."""


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """What is served without the document, and what left service: chunks, releases, adapters by kind with sha256.

    `taken_over` are the kinds for which an older adapter is served that never saw the document.
    """

    release: str | None
    n_chunks: int
    dropped: tuple[str, ...]
    adapters: Mapping[AdapterKind, str]
    taken_over: tuple[AdapterKind, ...]


def plan_withdrawal(workspace: Workspace, params: Params, environment: Mapping[str, str], out: Forgotten) -> Withdrawal:
    """Return what `withdraw` would do; nothing is changed."""
    shelf = ReleaseShelf(workspace.state)
    base = shelf.in_use()
    if base is None:
        return Withdrawal(None, 0, (), {}, ())
    store = open_store(params.index, workspace.state, environment)
    try:
        gone = tuple(sorted(out.covered(base.documents)))
        n_chunks = len(store.chunks(base.index, Filter(gone))) if gone else 0
    finally:
        store.close()
    releases = shelf.releases()
    kept = _newest_clean(releases, base, out)
    left = {kind: entry.sha256 for kind, entry in base.adapters.items() if kept.get(kind) != entry}
    taken_over = tuple(sorted(kind for kind in left if kind in kept))
    dropped = tuple(release.id for release in releases)
    return Withdrawal(base.id, n_chunks, dropped, left, taken_over)


def withdraw(workspace: Workspace, params: Params, environment: Mapping[str, str], out: Forgotten) -> Withdrawal:
    """Serve what is in use without the forgotten documents; the caller holds the writer lock.

    All rows are written to a new index, because a store keeps the bytes of rows that it deletes. For the same reason no
    other release stays, whether or not its record names the document: `lorag rollback` has nothing to go back to. An
    adapter that may have learned from it gives its place to the newest one that did not, or to none. Readers are waited
    for before their index is dropped. No gate looks at quality: a document that must go goes.
    """
    planned = plan_withdrawal(workspace, params, environment, out)
    shelf = ReleaseShelf(workspace.state)
    base = shelf.in_use()
    if base is None:
        return planned
    store = open_store(params.index, workspace.state, environment)
    try:
        release = _published(base, shelf, store, workspace, params, out)
        reach("forget.published")
        kept = shelf.forget([each.id for each in shelf.releases() if each.id != release.id])
        reach("forget.dropped")
        # A reader that takes longer finds its index gone, and nothing of it.
        shelf.wait_for_readers(planned.dropped, DRAIN_S)
        store.drop_all_but([each.index for each in kept])
    finally:
        store.close()
    AdapterShelf(workspace.adapters).retain(kept)
    reach("forget.drained")
    return replace(planned, release=release.id)


def _published(
    base: Release, shelf: ReleaseShelf, store: IndexStore, workspace: Workspace, params: Params, out: Forgotten
) -> Release:
    generation = max(release.generation for release in shelf.releases()) + 1
    ref, content, vectors, n_chunks = _rewritten(base, generation, store, params, out)
    gone = out.covered(base.documents)
    documents = {name: entry for name, entry in base.documents.items() if name not in gone}
    adapters = _newest_clean(shelf.releases(), base, out)
    release = replace(
        base,
        generation=generation,
        index=ref,
        content_digest=content,
        vectors_digest=vectors,
        corpus_digest=digest_of_versions({name: entry.version for name, entry in documents.items()}),
        params_digest=params.answers_digest(read_versions(workspace, params)),
        git_commit=git_repo.head_commit(workspace.root),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        n_chunks=n_chunks,
        recall_at_10=None,
        documents=documents,
        adapters=adapters,
        base_model_sha256=base.base_model_sha256 if adapters else None,
    )
    store.make_durable(ref)
    shelf.publish(release, expected_served=shelf.pointed_id())
    return release


def _rewritten(
    base: Release, generation: int, store: IndexStore, params: Params, out: Forgotten
) -> tuple[IndexRef, str, str, int]:
    """Return a new index with the rows that stay, after it was read back, and its digests and number of rows."""
    gone = out.covered(base.documents)
    rows = [row for row in store.rows(base.index) if row.chunk.document_id not in gone]
    vectors = np.stack([row.vector for row in rows]) if rows else np.empty((0, base.index.dimension), np.float32)
    left = Wanted((), [row.chunk for row in rows], vectors, base.embedder_fingerprint)
    plan = plan_refresh(left.chunks, left.fingerprint, {})
    ref = apply_plan(plan, left, None, generation, store, params.index)
    ref, report = gate_generation(ref, plan, left, None, store, Golden((), np.empty((0, 0), np.float32)), params)
    return ref, report.content_digest, report.vectors_digest, report.n_chunks


def _newest_clean(releases: list[Release], base: Release, out: Forgotten) -> dict[AdapterKind, AdapterEntry]:
    """Return for each kind in use the adapter in use if it is clean, else the newest retained one that is."""
    found = out.clean(base.adapters)
    for kind in base.adapters.keys() - found.keys():
        for release in releases:
            entry = out.clean(release.adapters).get(kind)
            if entry is not None and entry.base_model_sha256 == base.base_model_sha256:
                found[kind] = entry
                break
    return found
