"""What somebody says of an answer."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from lorag.service.routing import Body, Caller, Service, example
from lorag.use_cases.serve.query_log import Verdict


class Feedback(Body):
    """A verdict on an answer that the same key was given."""

    answer_id: Annotated[str, Field(min_length=1, max_length=100, examples=["ans_3c1f…"])]
    verdict: Literal["right", "wrong", "stale", "not_in_documents"]
    comment: Annotated[str, Field(max_length=2_000)] = ""


def make_router(service: Service) -> APIRouter:
    """Return the route for feedback."""
    router = APIRouter(prefix="/v1", tags=["feedback"])

    @router.post(
        "/feedback", responses=example({"candidate": "cand_9a…", "answer_id": "ans_3c1f…", "verdict": "wrong"})
    )
    async def feedback(said: Feedback, request: Request, caller: Caller) -> dict[str, Any]:
        """Note a verdict as a candidate for a test question; a person decides later what becomes of it."""
        noted = await service.reads.run(
            lambda watch: service.desk.log.mark(
                said.answer_id, Verdict(said.verdict), said.comment, caller.name, of_any_key=caller.reads_all
            ),
            request,
        )
        return {"candidate": noted.id, "answer_id": noted.query, "verdict": noted.verdict.value}

    return router
