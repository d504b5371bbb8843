"""The tab Questions: drafts to review, and answers that somebody should look at."""

from fastapi import APIRouter, Depends, Request, Response

from lorag.service.page.candidates import review_of
from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.drafts import view_drafts
from lorag.service.page.render import show
from lorag.service.page.words import CANDIDATE_VERDICTS

_SHOWN = 50


def questions_router(page: PageContext) -> APIRouter:
    """Return the route of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/questions")
    def questions(request: Request) -> Response:
        review = review_of(page)
        found = review.read()
        return show(
            request,
            "questions.html.jinja",
            tab="questions",
            title="Questions",
            drafts=view_drafts(page),
            candidates=[(each, CANDIDATE_VERDICTS[each.verdict]) for each in found[:_SHOWN]],
            n_more=max(0, len(found) - _SHOWN),
            keeps=bool(page.desk.log.keep_days),
            questions=review.questions.name,
        )

    return router
