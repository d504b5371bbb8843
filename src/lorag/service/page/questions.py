"""The tab Questions: what people said of answers, as candidates for test questions."""

from fastapi import APIRouter, Depends, Request, Response

from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.render import show
from lorag.service.page.words import VERDICTS
from lorag.use_cases.serve.feedback import feedback_file, read_feedback

_SHOWN = 50


def questions_router(page: PageContext) -> APIRouter:
    """Return the route of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/questions")
    def questions(request: Request) -> Response:
        found = read_feedback(page.workspace)
        return show(
            request,
            "questions.html.jinja",
            tab="questions",
            title="Questions",
            candidates=[(each, VERDICTS[each.verdict]) for each in found[:_SHOWN]],
            n_more=max(0, len(found) - _SHOWN),
            file=str(feedback_file(page.workspace).relative_to(page.workspace.root)),
        )

    return router
