"""The tab Compare: one question to every strategy that can answer now, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from markupsafe import Markup

from lorag.params_file import load_params
from lorag.service.asked import Asked, query_of
from lorag.service.page.answer_view import AnswerView, view_answer
from lorag.service.page.ask import Form, question_of
from lorag.service.page.context import DOOR, PageContext, PageRoute
from lorag.service.page.render import html, show, wants_part
from lorag.service.page.stream import Send, stream_parts
from lorag.service.page.words import STRATEGIES
from lorag.service.routing import MAX_QUESTION
from lorag.service.work import Watch, WatchedModel
from lorag.strategies import Strategy
from lorag.use_cases.serve.access import EVERYTHING
from lorag.use_cases.serve.answer_each import Column, Shared, answer_each, find_agreement
from lorag.use_cases.serve.answer_result import AnswerResult


@dataclass(slots=True)
class Board:
    """The columns as far as they are there.

    `ids` are those of the answers in the log. `agreement` is empty until all columns are there.
    """

    question: str
    shared: Shared | None = None
    columns: list[Column] = field(default_factory=list)
    ids: dict[Strategy, str] = field(default_factory=dict)
    agreement: Mapping[Strategy, Sequence[Strategy]] = field(default_factory=dict)
    is_done: bool = False

    @property
    def waiting(self) -> list[Strategy]:
        """The strategies that have not answered yet."""
        return list(Strategy)[len(self.columns) :]


def compare_router(page: PageContext) -> APIRouter:
    """Return the routes of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/compare")
    def start(request: Request, question: Annotated[str, Query(max_length=MAX_QUESTION)] = "") -> Response:
        served = page.shelf.served()
        values: dict[str, Any] = {
            "tab": "compare",
            "title": "Compare",
            "served": served,
            "question": question,
            "board": "",
        }
        return show(request, "compare.html.jinja", **values)

    @router.post("/compare")
    async def compare(request: Request, given: Form) -> Response:
        board, queue = Board(question_of(given)), page.service.answers
        if wants_part(request):
            return await stream_parts(
                lambda watch, send: _fill(page, board, watch, send), queue, request, len(Strategy)
            )
        parts: list[str] = []
        await queue.run(lambda watch: _fill(page, board, watch, parts.append), request, len(Strategy))
        # A template has escaped what is in it.
        drawn = Markup(parts[-1])  # noqa: S704
        values: dict[str, Any] = {
            "tab": "compare",
            "title": "Compare",
            "served": page.shelf.served(),
            "question": board.question,
        }
        return show(request, "compare.html.jinja", board=drawn, **values)

    return router


def _fill(page: PageContext, board: Board, watch: Watch, send: Send) -> None:
    """Ask each strategy, and send the board whenever a part of it is there."""

    def update() -> None:
        send(_draw(page, board))

    def searched(shared: Shared) -> None:
        board.shared = shared
        update()

    def answered(column: Column) -> None:
        board.columns.append(column)
        if isinstance(column, AnswerResult):
            board.ids[column.strategy] = _note(page, board, column)
        update()

    update()
    columns = answer_each(
        board.question,
        page.desk.live,
        wrap=lambda model: WatchedModel(model, watch),
        on_search=searched,
        on_column=answered,
    )
    answers = [column for column in columns if isinstance(column, AnswerResult)]
    board.agreement = find_agreement(answers, load_params(page.workspace.params_file))
    board.is_done = True
    update()


def _note(page: PageContext, board: Board, column: AnswerResult) -> str:
    """Log the answer of a column, and return its id."""
    hits = board.shared.hits if board.shared and column.strategy.profile.reads else ()
    asked = Asked(board.question, column.strategy, DOOR)
    seconds = column.cost.use.wall_s
    query = query_of(column, hits, asked, EVERYTHING, board.question, seconds)
    name = page.desk.note(query, column, load_params(page.workspace.params_file))
    page.recent.keep(name, column)
    return name


def _draw(page: PageContext, board: Board) -> str:
    releases, served = page.shelf.releases(), page.shelf.used_id()

    def view(column: AnswerResult) -> AnswerView:
        # A verdict on a half-made board would be lost with the next part.
        return view_answer(column, releases, served, board.ids[column.strategy] if board.is_done else "")

    columns = [(column, view(column) if isinstance(column, AnswerResult) else None) for column in board.columns]
    return html("board.html.jinja", board=board, columns=columns, labels=STRATEGIES, verdicts=page.verdicts)
