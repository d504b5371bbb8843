"""The tab Knowledge: what changed in the last releases, what waits in the source, and what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from fastapi import APIRouter, Depends, Request, Response

from lorag.knowledge.changes import CorpusChanges, compare_versions
from lorag.params_file import load_params
from lorag.releases.record import Release
from lorag.reports.release_card import card_sections
from lorag.service.page.answer_view import document_address
from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.render import show
from lorag.service.page.words import PENDING, REJECTIONS
from lorag.use_cases.refresh.pending_work import Why
from lorag.use_cases.serve.access import EVERYTHING
from lorag.use_cases.serve.status import read_status

_SHOWN_RELEASES = 10
_SHOWN_NAMES = 8


@dataclass(frozen=True, slots=True)
class Named:
    """A document with its address; `before` is its old name if it was renamed."""

    name: str
    address: str
    before: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The documents with the same change: the first ones, and how many more there are."""

    what: str
    count: int
    shown: tuple[Named, ...]

    @property
    def more(self) -> int:
        """The number of documents that are not shown."""
        return self.count - len(self.shown)


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """A release with what changed since the retained one before; `groups` is None without one before."""

    release: Release
    is_served: bool
    groups: tuple[Group, ...] | None
    adapters: tuple[str, ...]


def knowledge_router(page: PageContext) -> APIRouter:
    """Return the routes of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/knowledge")
    def knowledge(request: Request) -> Response:
        releases, served = page.shelf.releases(), page.shelf.used_id()
        pairs = zip(releases, [*releases[1:], None], strict=False)
        views = [_view(release, before, served) for release, before in islice(pairs, _SHOWN_RELEASES)]
        now = next((view.release for view in views if view.is_served), None)
        older = [release for release in releases if served is not None and release.id < served]
        return show(
            request,
            "knowledge.html.jinja",
            tab="knowledge",
            title="Knowledge",
            views=views,
            served=now,
            older=older[:1],
            workspace=str(page.workspace.root),
        )

    @router.get("/releases/{name}")
    def release(name: str, request: Request) -> Response:
        card = page.desk.release_card(name, EVERYTHING)
        title = f"Release {card.release.generation}"
        return show(request, "release.html.jinja", tab="knowledge", title=title, sections=card_sections(card))

    @router.get("/knowledge/pending")
    def pending(request: Request) -> Response:
        params = load_params(page.workspace.params_file)
        status = read_status(page.workspace, params)
        changed = _groups(status.changes, status.served, status.served)
        rejected = [(item.name, REJECTIONS[item.reason], item.detail) for item in status.rejected]
        reasons = [PENDING[why] for why in status.pending if why is not Why.SOURCE or not changed]
        return show(
            request,
            "pending.html.jinja",
            tab="knowledge",
            title="Pending",
            status=status,
            groups=changed,
            reasons=reasons,
            rejected=rejected,
            problems={model: what for model, what in status.models.items() if what},
        )

    return router


def _view(release: Release, before: Release | None, served: str | None) -> ReleaseView:
    groups = None
    if before is not None:
        versions = ({key: entry.version for key, entry in each.documents.items()} for each in (before, release))
        groups = _groups(compare_versions(*versions), before, release)
    known = {entry.sha256 for entry in before.adapters.values()} if before else set()
    adapters = tuple(entry.id for entry in release.adapters.values() if entry.sha256 not in known)
    return ReleaseView(release, release.id == served, groups, adapters)


def _groups(changes: CorpusChanges, before: Release | None, after: Release | None) -> tuple[Group, ...]:
    """Return the changes; a document is shown in `after`, one that is gone in `before`."""
    lists: Sequence[tuple[str, Sequence[tuple[str, str]], Release | None]] = (
        ("added", [(name, "") for name in changes.added], after),
        ("changed", [(name, "") for name in changes.changed], after),
        ("renamed", [(new, old) for old, new in changes.renamed], after),
        ("removed", [(name, "") for name in changes.removed], before),
    )
    return tuple(
        Group(what, len(names), tuple(_named(name, old, release) for name, old in names[:_SHOWN_NAMES]))
        for what, names, release in lists
        if names
    )


def _named(name: str, old: str, release: Release | None) -> Named:
    is_known = release is not None and name in release.documents
    return Named(name, document_address(name, release.id) if release and is_known else "", old)
