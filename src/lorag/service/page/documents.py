"""A document as it was indexed, with a quoted place marked."""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from lorag.errors import WorkspaceError
from lorag.service.page.context import PageContext, PageRoute, show_error
from lorag.service.page.render import show
from lorag.use_cases.serve.serve import open_served
from lorag.use_cases.serve.show_document import ShownDocument, show_document


@dataclass(frozen=True, slots=True)
class PassageView:
    """A passage in three parts, of which the middle one is marked; `heading` is empty if it is that of the one before.

    `marked` is empty in a passage without the quoted place.
    """

    heading: str
    before: str
    marked: str
    after: str


def documents_router(page: PageContext) -> APIRouter:
    """Return the route of the documents."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/documents/{name:path}")
    def document(
        name: str,
        request: Request,
        release: Annotated[str, Query(max_length=100)] = "",
        chunk: Annotated[str, Query(max_length=100)] = "",
        start: Annotated[int, Query(ge=0)] = 0,
        end: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        with ExitStack() as stack:
            current = stack.enter_context(page.live.use(None))
            served = current.served
            if release and release != served.release.id:
                opening = open_served(page.workspace, current.params, page.environment, as_of=release)
                served = stack.enter_context(opening)
            try:
                found = show_document(name, served, page.workspace)
            except WorkspaceError as error:
                return show_error(request, error, 404)
            shown, is_current = served.release, served.release.id == page.shelf.served_id()
        passages = _passages(found, chunk, start, end)
        marks = any(passage.marked for passage in passages)
        metadata = dict(found.passages[0].metadata)
        values: dict[str, Any] = {"release": shown, "is_current": is_current, "marks": marks, "metadata": metadata}
        title = found.title or found.id
        return show(request, "document.html.jinja", document=found, passages=passages, tab=None, title=title, **values)

    return router


def _passages(document: ShownDocument, marked: str, start: int, end: int) -> list[PassageView]:
    # The title stands above all of them.
    views, last_heading = [], document.title
    for chunk in document.passages:
        heading = chunk.context.removeprefix(f"{document.title} > ")
        first, last = (start, end) if chunk.id == marked and start < end <= len(chunk.text) else (0, 0)
        parts = chunk.text[:first], chunk.text[first:last], chunk.text[last:]
        views.append(PassageView("" if heading == last_heading else heading, *parts))
        last_heading = heading
    return views
