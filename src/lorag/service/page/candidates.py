"""The candidates in the tab Questions: a person says what failed, and a question becomes a test question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from lorag.errors import InputRejected, LoragError, ParamsError
from lorag.params_file import load_params
from lorag.questions.words import states
from lorag.service.page.answer_view import document_address
from lorag.service.page.ask import Form
from lorag.service.page.context import DOOR, PageContext, PageRoute
from lorag.service.page.headers import PRIVATE
from lorag.service.page.render import show, wants_part
from lorag.service.page.words import CANDIDATE_VERDICTS, FAILURES
from lorag.use_cases.draft.review_candidates import (
    NOTHING_FAILED,
    CandidateReview,
    Wanted,
    is_to_decline,
    named_documents,
    open_candidate_review,
)
from lorag.use_cases.serve.access import EVERYTHING
from lorag.use_cases.serve.decisions import Failure
from lorag.use_cases.serve.query_log import QuestionCandidate, Verdict

_DROP = "drop"


@dataclass(frozen=True, slots=True)
class CandidateView:
    """A candidate with its passages: the document, its address, and the text, empty if the log no longer has it.

    `wanted` is what stands in the fields. `pages` are the documents that they offer.
    """

    candidate: QuestionCandidate
    verdict: str
    passages: Sequence[tuple[str, str, str]]
    wanted: Wanted
    pages: Sequence[str]


def candidates_router(page: PageContext) -> APIRouter:
    """Return the routes of the candidates."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    def form(request: Request, view: CandidateView, error: LoragError | None = None) -> Response:
        values: dict[str, Any] = {"view": view, "failures": FAILURES, "error": error}
        return show(request, "candidate.html.jinja", tab="questions", title="Candidate", **values)

    @router.get("/questions/candidate")
    def candidate(request: Request, id: str = "") -> Response:
        return form(request, view_candidate(review_of(page).find(id)))

    @router.post("/questions/candidate")
    def decide(request: Request, given: Form) -> Response:
        review = review_of(page)
        chosen = review.find(given.get("candidate", ""))
        wanted = Wanted(given.get("question", ""), given.get("answer", ""), given.get("page", ""))
        try:
            said = _decide(page, review, chosen, given.get("failure", ""), wanted)
        except InputRejected as error:
            return form(request, view_candidate(chosen, wanted), error)
        if not wants_part(request):
            return RedirectResponse("/questions", 303, PRIVATE)
        return show(request, "decided.html.jinja", said=said, tab="questions", title="Decided")

    return router


def review_of(page: PageContext) -> CandidateReview:
    """Return the review of the candidates by whoever sits at the page."""
    served = page.shelf.served()
    documents: Mapping[str, object] = served.documents if served else {}
    return open_candidate_review(page.workspace, load_params(page.workspace.params_file), documents, DOOR)


def view_candidate(candidate: QuestionCandidate, wanted: Wanted | None = None) -> CandidateView:
    """Return what is shown of a candidate; its fields hold its question, and its answer if that was right."""
    pages = named_documents(candidate)
    if wanted is None:
        answer = candidate.answer if candidate.verdict is Verdict.RIGHT else ""
        wanted = Wanted(candidate.question, answer, pages[0] if pages else "")
    passages = [
        (passage.document_id, document_address(passage.document_id, candidate.release), passage.text)
        for passage in candidate.passages
    ]
    return CandidateView(candidate, CANDIDATE_VERDICTS[candidate.verdict], passages, wanted, pages)


def _decide(
    page: PageContext, review: CandidateReview, candidate: QuestionCandidate, pressed: str, wanted: Wanted
) -> str:
    if pressed == _DROP:
        review.drop(candidate.id)
        return f"Dropped: {candidate.question}"
    if pressed not in (*Failure, NOTHING_FAILED):
        raise ParamsError(f"no failure {pressed!r}", do=f"choose one of {', '.join((*Failure, NOTHING_FAILED))}")
    failure = None if pressed == NOTHING_FAILED else Failure(pressed)
    name = review.accept(candidate.id, failure, wanted)
    said = f"Added to {review.questions.name} as {name}: {wanted.question.strip()}"
    if not is_to_decline(candidate, failure):
        text = page.desk.document(wanted.document_id.strip(), EVERYTHING).text
        if not states(text, wanted.answer):
            said += f" – note that {wanted.document_id} does not state {wanted.answer!r} in these words"
    return said
