"""The tab Ask: an answer as it comes, the same question at an earlier release, and verdicts."""

import json
from contextlib import suppress
from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from lorag.errors import LoragError, ParamsError
from lorag.params_file import load_params
from lorag.service.page.answer_view import AnswerView, mark_differences, view_answer
from lorag.service.page.context import PageContext, PageRoute
from lorag.service.page.render import html, show, wants_part
from lorag.service.page.session import read_form
from lorag.service.page.stream import Send, stream_parts
from lorag.service.page.words import STRATEGIES, VERDICTS
from lorag.strategies import READER, Strategy
from lorag.use_cases.serve.answer import AnswerResult, answer_served, answer_with
from lorag.use_cases.serve.feedback import Verdict, record_feedback
from lorag.use_cases.serve.request import refuse_empty, strategy_named

_LONGEST_QUESTION = 20_000
_EXAMPLES = 3

Form = Annotated[dict[str, str], Depends(read_form)]


def ask_router(page: PageContext) -> APIRouter:
    """Return the routes of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/")
    def start(
        request: Request,
        question: Annotated[str, Query(max_length=_LONGEST_QUESTION)] = "",
        strategy: Strategy = READER,
        answer: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        found = page.recent.find(answer)
        if found is not None:
            view = view_answer(found, page.shelf.releases(), page.shelf.served_id(), answer)
            return _show(request, page, found.question, found.strategy, view)
        return _show(request, page, question, strategy)

    @router.post("/ask")
    def ask(request: Request, given: Form) -> Response:
        question, strategy = question_of(given), strategy_named(given.get("strategy", READER))
        if wants_part(request):
            return stream_parts(lambda send: _stream_answer(page, question, strategy, send))
        return _show(request, page, question, strategy, _view(page, _answer(page, question, strategy)))

    @router.post("/as-of")
    def as_of(request: Request, given: Form) -> Response:
        now = page.recent.get(given.get("answer", ""))
        release = page.shelf.as_of(given.get("release", ""))
        with page.live.use(None) as current:
            params = current.params
        then = answer_served(now.question, now.strategy, page.workspace, params, page.environment, as_of=release.id)
        left, right = mark_differences(then.answer.text, now.answer.text)
        releases, served = page.shelf.releases(), page.shelf.served_id()
        sides = [
            (view_answer(then, releases, served), left, "was"),
            (view_answer(now, releases, served), right, "is"),
        ]
        changed = _changed_pages(sides[0][0], sides[1][0])
        same = then.answer.text == now.answer.text
        return show(request, "as_of.html.jinja", sides=sides, same=same, changed=changed, tab="ask", title="As of")

    @router.post("/feedback")
    def feedback(request: Request, given: Form) -> Response:
        verdict = given.get("verdict", "")
        if verdict not in list(Verdict):
            raise ParamsError(f"no verdict {verdict!r}", do=f"choose one of {', '.join(Verdict)}")
        noted = record_feedback(Verdict(verdict), page.recent.get(given.get("answer", "")), page.workspace)
        said = VERDICTS[noted.verdict]
        return show(request, "noted.html.jinja", said=said, tab="ask", title="Noted")

    return router


def question_of(given: dict[str, str]) -> str:
    """Return the question of a form; raises ParamsError for none, or for one that is too long."""
    question = given.get("question", "").strip()
    refuse_empty(question, "question")
    if len(question) > _LONGEST_QUESTION:
        raise ParamsError(f"a question of more than {_LONGEST_QUESTION:,} characters", do="ask something shorter")
    return question


def _show(
    request: Request, page: PageContext, question: str, strategy: Strategy, answer: AnswerView | None = None
) -> Response:
    served = page.shelf.served()
    adapters = served.adapters if served else {}
    return show(
        request,
        "ask.html.jinja",
        tab="ask",
        title="Ask",
        served=served,
        question=question,
        chosen=strategy,
        strategies=[
            (each, STRATEGIES[each], each.profile.adapter is None or each.profile.adapter in adapters)
            for each in Strategy
        ],
        examples=[] if question or answer else _examples(page),
        answer=answer,
        verdicts=VERDICTS,
    )


def _stream_answer(page: PageContext, question: str, strategy: Strategy, send: Send) -> None:
    written: list[str] = []

    def take(piece: str) -> None:
        written.append(piece)
        send(html("answering.html.jinja", question=question, text="".join(written).strip(), strategy=strategy))

    take("")
    result = _answer(page, question, strategy, take)
    send(html("answer.html.jinja", answer=_view(page, result), verdicts=VERDICTS))


def _answer(page: PageContext, question: str, strategy: Strategy, take: Send = lambda piece: None) -> AnswerResult:
    with page.live.use(strategy.profile.adapter) as current:
        return answer_with(
            question, strategy, current.served, current.model, page.workspace, current.params, on_text=take
        )


def _view(page: PageContext, result: AnswerResult) -> AnswerView:
    return view_answer(result, page.shelf.releases(), page.shelf.served_id(), page.recent.keep(result))


def _examples(page: PageContext) -> list[str]:
    """Return the first questions of the workspace's own; none if there is no file, or a damaged one."""
    # Nobody must wait for examples, and a bad questions file is reported where it matters.
    with suppress(LoragError, OSError, ValueError, KeyError, TypeError):
        params = load_params(page.workspace.params_file)
        path = page.workspace.resolve(params.knowledge.questions_origin or params.knowledge.questions)
        with path.open(encoding="utf-8-sig") as file:
            return [str(json.loads(line)["question"]) for line in islice(file, _EXAMPLES)]
    return []


def _changed_pages(then: AnswerView, now: AnswerView) -> list[str]:
    """Return the cited pages whose text differs between the two releases."""
    if then.release is None or now.release is None:
        return []
    before, after = then.release.documents, now.release.documents
    names = dict.fromkeys(cited.document_id for view in (then, now) for cited in view.cited)
    return [name for name in names if before.get(name) != after.get(name)]
