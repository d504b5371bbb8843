"""Questions in, answers out; searches; and which documents changed."""

import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BeforeValidator, Field

from lorag.errors import LoragError
from lorag.params import RetrieverKind
from lorag.service.asked import Asked
from lorag.service.problems import unexpected
from lorag.service.routing import AsOf, Body, Caller, Service, Strategies, Text, Where, as_whole, example, first_of
from lorag.service.work import Ended
from lorag.strategies import READER
from lorag.use_cases.serve.request import refuse_bad_text

DOOR = "answers"
_LINES = "application/x-ndjson"

_CITATION = {
    "number": 1,
    "title": "Berths",
    "heading": "Berths > Depths",
    "score": 0.0328,
    "document_id": "berths.md",
    "document_version": "5f0c…",
    "chunk_id": "a81b…",
    "quote": "Berth 4 is 7.25 metres deep at the lowest tide.",
    "start": 0,
    "end": 47,
}
_ANSWER = {
    "id": "ans_3c1f…",
    "question": "How deep is berth 4?",
    "asked_as": "How deep is berth 4?",
    "strategy": READER.value,
    "answer": "Berth 4 is 7.25 metres deep at the lowest tide.",
    "kind": "quoted",
    "reason": "the model's words are not supported",
    "citations": [_CITATION],
    "release": "000003-1f2e3d4c5b",
    "seconds": 0.41,
    "cost": {"wall_s": 0.4, "tokens_prompt": 312, "tokens_generated": 18, "money": 0.000007, "currency": "EUR"},
}


class Ask(Body):
    """A question; `as_of` names a retained release, `where` maps metadata to the value that a chunk must have."""

    question: Annotated[Text, Field(examples=["How deep is berth 4?"])]
    strategy: Strategies = READER
    as_of: AsOf = None
    where: Where = {}
    stream: Annotated[bool, Field(description="Lines of JSON: `text` as it comes, at last `result` or `error`.")] = (
        False
    )


class SearchFor(Body):
    """A query for the chunks that an answer would come from."""

    query: Annotated[Text, Field(examples=["berth allocation"])]
    top_k: Annotated[Annotated[int, Field(ge=1, le=100)] | None, BeforeValidator(as_whole)] = None
    retriever: Annotated[RetrieverKind | None, Field(strict=False)] = None
    documents: Annotated[list[Annotated[str, Field(max_length=1_000)]], Field(max_length=1_000)] = []
    where: Where = {}
    as_of: AsOf = None


def make_router(service: Service) -> APIRouter:
    """Return the routes of lorag's own API for questions."""
    router = APIRouter(prefix="/v1", tags=["answers"])

    @router.post("/answers", response_model=None, responses=example(_ANSWER, _LINES))
    async def answer(ask: Ask, request: Request, caller: Caller) -> dict[str, Any] | StreamingResponse:
        """Answer a question from the served release, with citations, tokens and cost."""
        refuse_bad_text(ask.question, "question")
        asked = Asked(ask.question, ask.strategy, DOOR, ask.where, ask.as_of)
        events = service.answers.stream(
            lambda watch, on_text: service.desk.answer(asked, caller, watch, on_text).to_json(), request
        )
        if ask.stream:
            return StreamingResponse(_lines(await first_of(events), events), media_type=_LINES)
        async for event in events:
            if isinstance(event, Ended):
                result: dict[str, Any] = event.result
        return result

    @router.post("/search", responses=example({"query": "berth 4", "retriever": "fused", "hits": [{"score": 0.03}]}))
    async def search(asked: SearchFor, request: Request, caller: Caller) -> dict[str, Any]:
        """Return the chunks that an answer would come from, best first."""
        refuse_bad_text(asked.query, "query")
        outcome = await service.reads.run(
            lambda watch: service.desk.search(
                asked.query,
                caller,
                top_k=asked.top_k,
                retriever=asked.retriever,
                where=asked.where,
                documents=asked.documents,
                as_of=asked.as_of,
            ),
            request,
        )
        return outcome.to_json()

    return router


async def _lines(first: str | Ended, events: AsyncIterator[str | Ended]) -> AsyncIterator[str]:
    yield _line(first)
    try:
        async for event in events:
            yield _line(event)
    except LoragError as error:
        yield json.dumps({"error": error.to_json()}) + "\n"
    # A stream that ends without a result or an error would look like an answer without words.
    except Exception as error:
        yield json.dumps({"error": unexpected(error).to_json()}) + "\n"


def _line(event: str | Ended) -> str:
    return json.dumps({"result": event.result} if isinstance(event, Ended) else {"text": event}) + "\n"
