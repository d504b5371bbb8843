"""What a caller may read: the condition that goes into every search, and the adapters that saw more than that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lorag.counted import counted
from lorag.errors import NotAllowed
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Filter, IndexStore
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace

_NO_DOCUMENT = ""


@dataclass(frozen=True, slots=True)
class Access:
    """A caller by name; only documents with all of the metadata values in `where` are there for it, all without any."""

    name: str
    where: tuple[tuple[str, str], ...] = ()

    @property
    def reads_all(self) -> bool:
        """Whether nothing is hidden from this caller."""
        return not self.where

    def narrow(self, where: Mapping[str, str] | None = None, documents: Iterable[str] = ()) -> Filter:
        """Return the filter of a request, which can only take away from what the caller may read."""
        asked = tuple((where or {}).items())
        return Filter(tuple(documents), self.where + tuple(pair for pair in asked if pair not in self.where))


EVERYTHING = Access("owner")
"""The access of somebody who can read the workspace's files anyway."""


def readable_documents(
    access: Access, release: Release, store: IndexStore, among: Iterable[str] = ()
) -> frozenset[str]:
    """Return the ids of the documents of a release that the caller may read, of those in `among` if it names any."""
    if access.reads_all:
        named = frozenset(among)
        return named & release.documents.keys() if named else frozenset(release.documents)
    return frozenset(chunk.document_id for chunk in store.chunks(release.index, access.narrow(documents=among)))


def readable_in_both(
    access: Access, then: tuple[Release, IndexStore], now: tuple[Release, IndexStore]
) -> frozenset[str] | None:
    """Return the ids of the documents that the caller may read in an older release and in the served one.

    A document that is gone from the served release is not among them: nobody can say any more who might read it. None
    means that no document of the older release was closed to the caller since.
    """
    if access.reads_all:
        return None
    before = readable_documents(access, *then)
    both = before & readable_documents(access, *now)
    return None if both == before else both


def within(where: Filter, documents: frozenset[str] | None) -> Filter:
    """Return the filter for these documents only; None means no further restriction."""
    if documents is None:
        return where
    named = [name for name in where.document_ids if name in documents] if where.document_ids else sorted(documents)
    # No names would mean no restriction.
    return Filter(tuple(named) or (_NO_DOCUMENT,), where.metadata)


def count_readable(access: Access, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> int | None:
    """Return how many documents of the served release the caller may read; None if nothing is served."""
    release = ReleaseShelf(workspace.state).served()
    if release is None:
        return None
    store = open_store(params.index, workspace.state, environment)
    try:
        return len(readable_documents(access, release, store))
    finally:
        store.close()


def refuse_adapter(kind: AdapterKind | None, access: Access, release: Release, store: IndexStore) -> None:
    """Raise NotAllowed if the adapter learned from a document that the caller may not read.

    A document that is gone or has changed since the training counts as one: nobody can say any more who might read it.
    """
    entry = release.adapters.get(kind) if kind else None
    if entry is None or access.reads_all:
        return
    current = {
        name
        for name, version in entry.documents.items()
        if (now := release.documents.get(name)) and now.version == version
    }
    readable = readable_documents(access, release, store, current) if current else frozenset()
    hidden = len(entry.documents) - len(readable)
    if hidden or not entry.documents:
        share = (
            f"{hidden} of its {counted(len(entry.documents), 'document')}" if entry.documents else "nobody knows what"
        )
        raise NotAllowed(
            f"the {kind} adapter was trained on {share} that this key may not read, or that have changed since",
            where=f"strategy {kind.strategy if kind else ''}",
            do="ask by rag, or with a key that reads everything",
        )
