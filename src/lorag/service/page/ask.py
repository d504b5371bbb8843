"""The tab Ask: an answer as it comes, the same question at an earlier release, and verdicts."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from lorag.errors import LoragError, NotThere, ParamsError
from lorag.params_file import load_params
from lorag.releases.record import Release
from lorag.retrieval.index.store import Hit
from lorag.service.asked import Asked
from lorag.service.page.answer_view import AnswerView, mark_differences, view_answer
from lorag.service.page.context import DOOR, PageContext, PageRoute
from lorag.service.page.render import html, show, wants_part
from lorag.service.page.session import read_form
from lorag.service.page.stream import Send, stream_parts
from lorag.service.page.words import CHOOSES, RETRAIN, STRATEGIES, VERDICTS
from lorag.service.routing import MAX_QUESTION, Strategies
from lorag.service.work import Watch
from lorag.strategies import READER, Auto, Requested, Strategy
from lorag.use_cases.serve.access import EVERYTHING
from lorag.use_cases.serve.kept_router import read_router
from lorag.use_cases.serve.query_log import Verdict
from lorag.use_cases.serve.request import refuse_bad_text, strategy_named

_EXAMPLES = 3
_FOUND = 3
"""The most documents that are named while the model reads."""

Form = Annotated[dict[str, str], Depends(read_form)]


def ask_router(page: PageContext) -> APIRouter:
    """Return the routes of the tab."""
    router = APIRouter(route_class=PageRoute, include_in_schema=False, dependencies=[Depends(page.require)])

    @router.get("/")
    def start(
        request: Request,
        question: Annotated[str, Query(max_length=MAX_QUESTION)] = "",
        strategy: Strategies = READER,
        answer: Annotated[str, Query(max_length=100)] = "",
    ) -> Response:
        found = page.recent.find(answer)
        if found is not None:
            view = view_answer(found, page.shelf.releases(), page.shelf.used_id(), answer)
            return _show(request, page, found.question, found.strategy, view)
        return _show(request, page, question, strategy)

    @router.post("/ask")
    async def ask(request: Request, given: Form) -> Response:
        asked = Asked(question_of(given), strategy_named(given.get("strategy", READER)), DOOR)
        if wants_part(request):
            return await stream_parts(
                lambda watch, send: _stream_answer(page, asked, watch, send), page.service.answers, request
            )

        def answer(watch: Watch) -> Response:
            return _show(request, page, asked.question, asked.strategy, _answer(page, asked, watch))

        return await page.service.answers.run(answer, request)

    @router.post("/as-of")
    async def as_of(request: Request, given: Form) -> Response:
        return await page.service.answers.run(lambda watch: compare_releases(request, given, watch), request)

    def compare_releases(request: Request, given: Mapping[str, str], watch: Watch) -> Response:
        now = page.recent.get(given.get("answer", ""))
        asked = Asked(now.question, now.strategy, DOOR, as_of=given.get("release", ""))
        then = page.desk.answer(asked, EVERYTHING, watch).result
        left, right = mark_differences(then.answer.text, now.answer.text)
        releases, served = page.shelf.releases(), page.shelf.used_id()
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
        if verdict not in VERDICTS:
            raise ParamsError(f"no verdict {verdict!r}", do=f"choose one of {', '.join(VERDICTS)}")
        try:
            noted = page.desk.log.mark(
                given.get("answer", ""), Verdict(verdict), "", EVERYTHING.name, of_any_key=EVERYTHING.reads_all
            )
        except NotThere as error:
            raise NotThere("this answer is no longer kept", do="ask the question again") from error
        said = VERDICTS[noted.verdict]
        return show(request, "noted.html.jinja", said=said, tab="ask", title="Noted")

    return router


def question_of(given: dict[str, str]) -> str:
    """Return the question of a form; raises ParamsError for none, or for one that is too long."""
    question = given.get("question", "").strip()
    refuse_bad_text(question, "question")
    if len(question) > MAX_QUESTION:
        raise ParamsError(f"a question of more than {MAX_QUESTION:,} characters", do="ask something shorter")
    return question


def _show(
    request: Request, page: PageContext, question: str, strategy: Requested, answer: AnswerView | None = None
) -> Response:
    served = page.shelf.served()
    adapters = served.adapters if served else {}
    choices: list[tuple[Requested, str, str | None]] = [
        (each, STRATEGIES[each], None if each.profile.adapter is None or each.profile.adapter in adapters else RETRAIN)
        for each in Strategy
    ]
    choices += [(each, CHOOSES, _why_not_auto(page, served)) for each in Auto]
    return show(
        request,
        "ask.html.jinja",
        tab="ask",
        title="Ask",
        served=served,
        question=question,
        chosen=strategy,
        strategies=choices,
        examples=[] if question or answer else _examples(page),
        answer=answer,
        verdicts=page.verdicts,
    )


def _why_not_auto(page: PageContext, served: Release | None) -> str | None:
    """Return why no strategy is chosen for a question; None if one is. Nothing is opened for it."""
    try:
        params = load_params(page.workspace.params_file)
        return read_router(served, page.workspace, params).reason if served else None
    except LoragError as error:
        return error.what


def _stream_answer(page: PageContext, asked: Asked, watch: Watch, send: Send) -> None:
    written: list[str] = []
    found: dict[str, str] = {}

    def draw() -> None:
        text = "".join(written).strip()
        values: dict[str, Any] = {"question": asked.question, "strategy": asked.strategy, "text": text, "found": found}
        send(html("answering.html.jinja", **values))

    def take(piece: str) -> None:
        written.append(piece)
        draw()

    def find(hits: Sequence[Hit]) -> None:
        for hit in hits:
            if len(found) < _FOUND:
                found.setdefault(hit.chunk.document_id, hit.chunk.context)
        draw()

    draw()
    answer = _answer(page, asked, watch, take, find)
    send(html("answer.html.jinja", answer=answer, verdicts=page.verdicts))


def _answer(
    page: PageContext,
    asked: Asked,
    watch: Watch,
    take: Send = lambda piece: None,
    find: Callable[[Sequence[Hit]], None] = lambda hits: None,
) -> AnswerView:
    given = page.desk.answer(asked, EVERYTHING, watch, take, find)
    page.recent.keep(given.id, given.result)
    return view_answer(given.result, page.shelf.releases(), page.shelf.used_id(), given.id)


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
