"""The tab Compare: one question to every strategy that can answer now, side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from markupsafe import Markup

from lorag.params_file import load_params
from lorag.service.page.answer_view import AnswerView, view_answer
from lorag.service.page.ask import Form, question_of
from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.render import html, show, wants_part
from lorag.service.page.stream import Send, stream_parts
from lorag.service.page.words import STRATEGIES, VERDICTS
from lorag.strategies import Strategy
from lorag.use_cases.serve.answer import AnswerResult
from lorag.use_cases.serve.answer_each import Column, Shared, answer_each, find_agreement


@dataclass(slots=True)
class Board:
    """The columns as far as they are there; `agreement` is empty until all are."""

    question: str
    shared: Shared | None = None
    columns: list[Column] = field(default_factory=list)
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
    def start(request: Request, question: Annotated[str, Query(max_length=20_000)] = "") -> Response:
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
    def compare(request: Request, given: Form) -> Response:
        board = Board(question_of(given))
        if wants_part(request):
            return stream_parts(lambda send: _fill(page, board, send))
        parts: list[str] = []
        _fill(page, board, parts.append)
        values: dict[str, Any] = {
            "tab": "compare",
            "title": "Compare",
            "served": page.shelf.served(),
            "question": board.question,
        }
        return show(request, "compare.html.jinja", board=Markup(parts[-1]), **values)

    return router


def _fill(page: PageContext, board: Board, send: Send) -> None:
    """Ask each strategy, and send the board whenever a part of it is there."""

    def update() -> None:
        send(_draw(page, board))

    def searched(shared: Shared) -> None:
        board.shared = shared
        update()

    def answered(column: Column) -> None:
        board.columns.append(column)
        update()

    update()
    columns = answer_each(board.question, page.live, on_search=searched, on_column=answered)
    answers = [column for column in columns if isinstance(column, AnswerResult)]
    board.agreement = find_agreement(answers, load_params(page.workspace.params_file))
    board.is_done = True
    update()


def _draw(page: PageContext, board: Board) -> str:
    releases, served = page.shelf.releases(), page.shelf.served_id()

    def view(column: AnswerResult) -> AnswerView:
        # A verdict on a half-made board would be lost with the next part.
        return view_answer(column, releases, served, page.recent.keep(column) if board.is_done else "")

    columns = [(column, view(column) if isinstance(column, AnswerResult) else None) for column in board.columns]
    return html("board.html.jinja", board=board, columns=columns, labels=STRATEGIES, verdicts=VERDICTS)
