"""The drafts in the tab Questions: one at a time, which a person accepts, edits, drops or skips."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from lorag.drafting.records import Draft, DraftStatus
from lorag.errors import InputRejected, ParamsError
from lorag.params_file import load_params
from lorag.service.page.ask import Form
from lorag.service.page.context import DOOR, PageContext, PageRoute
from lorag.service.page.headers import PRIVATE
from lorag.service.page.render import show, wants_part
from lorag.use_cases.draft.review_drafts import Edit, Review, is_stated, open_review


@dataclass(frozen=True, slots=True)
class DraftView:
    """An open draft, its number among `n_open`, and its passage in three parts, of which the middle one answers."""

    draft: Draft
    number: int
    n_open: int
    before: str
    marked: str
    after: str


@dataclass(frozen=True, slots=True)
class DraftsView:
    """What the list of drafts shows: the next open draft, None without one, and what became of the one before."""

    next: DraftView | None
    n_decided: int
    said: str = ""
    error: InputRejected | None = None


def drafts_router(page: PageContext) -> APIRouter:
    """Return the routes of the drafts."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    def part(request: Request, view: DraftsView) -> Response:
        return show(request, "drafts.html.jinja", drafts=view, tab="questions", title="Drafts")

    @router.get("/questions/draft")
    def skip(request: Request, after: str = "") -> Response:
        return part(request, view_drafts(page, after))

    @router.post("/questions/draft")
    def decide(request: Request, given: Form) -> Response:
        name = given.get("draft", "")
        try:
            said = _decide(_review_of(page), name, given)
        except InputRejected as error:
            return part(request, view_drafts(page, at=name, error=error))
        if not wants_part(request):
            return RedirectResponse("/questions", 303, PRIVATE)
        return part(request, view_drafts(page, name, said=said))

    return router


def view_drafts(
    page: PageContext, after: str = "", *, at: str = "", said: str = "", error: InputRejected | None = None
) -> DraftsView:
    """Return the next open draft behind `after`, or the one `at`; the first one follows on the last one."""
    drafts = _review_of(page).drafts.read()
    waiting = [draft for draft in drafts if draft.status is DraftStatus.OPEN]
    n_decided = len(drafts) - len(waiting)
    if not waiting:
        return DraftsView(None, n_decided, said, error)
    place = {draft.id: number for number, draft in enumerate(drafts)}
    behind = place.get(after, -1)
    found = next((draft for draft in waiting if draft.id == at or (not at and place[draft.id] > behind)), waiting[0])
    return DraftsView(_view(found, waiting), n_decided, said, error)


def _review_of(page: PageContext) -> Review:
    return open_review(page.workspace, load_params(page.workspace.params_file), reviewer=DOOR)


def _decide(review: Review, name: str, given: dict[str, str]) -> str:
    match given.get("decision"):
        case "accept":
            decided = review.accept(name)
        case "edit":
            decided = review.accept(name, _edit_of(given))
        case "drop":
            return f"Dropped: {review.drop(name).question}"
        case other:
            raise ParamsError(f"no decision {other!r}", do="choose one of accept, edit, drop")
    unstated = "" if is_stated(decided) else f" The passage does not state {decided.answers[0]!r} in these words."
    return f"Accepted: {decided.question}{unstated}"


def _edit_of(given: dict[str, str]) -> Edit:
    def lines(name: str) -> tuple[str, ...]:
        return tuple(line.strip() for line in given.get(name, "").splitlines() if line.strip())

    question = " ".join(lines("question"))
    return Edit(question, lines("answers"), lines("phrasings"), lines("held_out_phrasings"))


def _view(draft: Draft, waiting: Sequence[Draft]) -> DraftView:
    before, marked, after = draft.passage.partition(draft.sentence)
    return DraftView(draft, waiting.index(draft) + 1, len(waiting), before, marked, after)
