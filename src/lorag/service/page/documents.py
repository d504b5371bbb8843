"""A document as it was indexed, with a quoted place marked."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.render import show
from lorag.service.work import Watch
from lorag.use_cases.serve.access import EVERYTHING
from lorag.use_cases.serve.show_document import ShownDocument


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
    async def document(
        name: str,
        request: Request,
        release: Annotated[str, Query(max_length=100)] = "",
        chunk: Annotated[str, Query(max_length=100)] = "",
        start: Annotated[int, Query(ge=0)] = 0,
        end: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        def find(watch: Watch) -> tuple[ShownDocument, bool]:
            served_id = page.shelf.used_id()
            # The served release is open already; any other one is opened for this request.
            as_of = release if release not in ("", served_id) else None
            found = page.desk.passages(name, EVERYTHING, as_of)
            return found, found.release.id == served_id

        found, is_current = await page.service.reads.run(find, request)
        passages = _passages(found, chunk, start, end)
        marks = any(passage.marked for passage in passages)
        metadata = dict(found.passages[0].metadata)
        values: dict[str, Any] = {
            "release": found.release,
            "is_current": is_current,
            "marks": marks,
            "metadata": metadata,
        }
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
