"""The documents that changed between two releases, as far as a caller may read them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from lorag.knowledge.changes import compare_versions
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.serve.access import Access


@dataclass(frozen=True, slots=True)
class Change:
    """The documents that differ between two releases; `renamed` holds pairs (old id, new id) of equal content."""

    since: str | None
    until: str
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def what_changed(
    shelf: ReleaseShelf,
    served: Release,
    access: Access,
    readable: Callable[[Access, Release], frozenset[str]],
    since: str | None = None,
) -> Change:
    """Return what changed from `since`, by default the release before, to the served one.

    `readable` gives the ids of the documents of a release that the caller may read. A document that was closed to the
    caller since is not named: it is not there, as in every other answer. Raises NotThere for an unknown release.
    """
    older = [release for release in shelf.releases() if release.generation < served.generation]
    before = shelf.as_of(since) if since is not None else next(iter(older), None)
    now = {name: served.documents[name].version for name in readable(access, served)}
    closed = served.documents.keys() - now.keys()
    readable_then = readable(access, before) - closed if before else frozenset()
    then = {name: before.documents[name].version for name in readable_then} if before else {}
    changes = compare_versions(then, now)
    return Change(before.id if before else None, served.id, **asdict(changes))
