"""OpenAI's responses, as far as they are text."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import Field

from lorag.answering.generator import NEVER
from lorag.errors import LoragError
from lorag.service.asked import Given
from lorag.service.openai_chat import EVENTS, Limit, StreamOptions, ignore, sse
from lorag.service.openai_fields import MESSAGE, Conversation, Extended, asked_of, read_conversation
from lorag.service.openai_text import annotations_of, extension_of, finish_reason, shown_text
from lorag.service.problems import kind_of, openai_error, unexpected
from lorag.service.routing import MAX_QUESTION, Caller, Service, example, first_of
from lorag.service.work import Ended

DOOR = "responses"


class Respond(Extended):
    """A question, or a conversation whose last message is answered."""

    input: Annotated[
        Annotated[str, Field(max_length=MAX_QUESTION)]
        | Annotated[list[dict[str, Any]], Field(min_length=1, max_length=200, json_schema_extra={"items": MESSAGE})],
        Field(examples=["How deep is berth 4?"]),
    ]
    instructions: str | None = None
    max_output_tokens: Limit = None
    stream_options: StreamOptions | None = None


_RESPONSE = {
    "object": "response",
    "model": "lorag-rag",
    "status": "completed",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "7.25 m. [1]"}]}],
}


def make_router(service: Service) -> APIRouter:
    """Return the route of responses."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post("/responses", response_model=None, responses=example(_RESPONSE, EVENTS))
    async def respond(body: Respond, request: Request, caller: Caller) -> dict[str, Any] | StreamingResponse:
        """Answer the last message of the input; the events of a stream are those of OpenAI."""
        body.refuse_what_would_be_ignored()
        turns = [{"role": "user", "content": body.input}] if isinstance(body.input, str) else body.input
        conversation = read_conversation(turns, "input", ["instructions"] if body.instructions else ())
        asked = asked_of(body, conversation, DOOR, body.max_output_tokens)

        def work(watch: Any, on_text: Callable[[str], None]) -> Given:
            reads = asked.strategy.profile.reads
            given = service.desk.answer(asked, caller, watch, ignore if reads else on_text)
            if reads:
                on_text(shown_text(given, NEVER)[0].text)
            return given

        events = service.answers.stream(work, request)
        response = _Response(body, conversation)
        if body.stream:
            stream = _events(await first_of(events), events, response)
            return StreamingResponse(stream, media_type=EVENTS)
        async for event in events:
            if isinstance(event, Ended):
                given: Given = event.result
        return response.completed(given)

    return router


class _Response:
    """The objects of one response as it grows."""

    def __init__(self, body: Respond, conversation: Conversation) -> None:
        self.item_id = f"msg_{uuid4().hex}"
        self._conversation = conversation
        self._values: dict[str, Any] = {
            "id": f"resp_{uuid4().hex}",
            "object": "response",
            "created_at": int(time.time()),
            "model": body.model,
            "error": None,
            "incomplete_details": None,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": {},
            "parallel_tool_calls": False,
            "previous_response_id": None,
            "temperature": 0.0,
            "tool_choice": "none",
            "tools": [],
            "top_p": 1.0,
            "text": {"format": {"type": "text"}},
        }

    def begun(self) -> dict[str, Any]:
        return {**self._values, "status": "in_progress", "output": [], "usage": None}

    def part(self, text: str, annotations: list[dict[str, Any]]) -> dict[str, Any]:
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}

    def item(self, status: str, *parts: dict[str, Any]) -> dict[str, Any]:
        return {"id": self.item_id, "type": "message", "role": "assistant", "status": status, "content": [*parts]}

    def completed(self, given: Given) -> dict[str, Any]:
        marked, _ = shown_text(given, NEVER)
        is_cut = finish_reason(given) == "length"
        status = "incomplete" if is_cut else "completed"
        answer = given.result.answer
        return {
            **self._values,
            "status": status,
            "incomplete_details": {"reason": "max_output_tokens"} if is_cut else None,
            "output": [self.item(status, self.part(marked.text, annotations_of(given, marked)))],
            "usage": {
                "input_tokens": answer.prompt_tokens,
                "input_tokens_details": {"cached_tokens": 0},
                "output_tokens": answer.generated_tokens,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": answer.prompt_tokens + answer.generated_tokens,
            },
            "lorag": extension_of(given, self._conversation.ignored),
        }

    def failed(self, error: LoragError) -> dict[str, Any]:
        told = openai_error(kind_of(error), error)
        return {**self.begun(), "status": "failed", "error": {"code": "server_error", "message": told["message"]}}


async def _events(first: str | Ended, events: AsyncIterator[str | Ended], response: _Response) -> AsyncIterator[str]:
    number = 0

    def event(kind: str, **values: Any) -> str:
        nonlocal number
        number += 1
        return sse({"type": kind, "sequence_number": number - 1, **values}, kind)

    place = {"item_id": response.item_id, "output_index": 0, "content_index": 0}

    def parts(happened: str | Ended) -> list[str]:
        if not isinstance(happened, Ended):
            return [event("response.output_text.delta", **place, delta=happened, logprobs=[])]
        whole = response.completed(happened.result)
        item = whole["output"][0]
        part = item["content"][0]
        added = [
            event("response.output_text.annotation.added", **place, annotation_index=index, annotation=annotation)
            for index, annotation in enumerate(part["annotations"])
        ]
        ended = "response.incomplete" if whole["status"] == "incomplete" else "response.completed"
        return [
            *added,
            event("response.output_text.done", **place, text=part["text"], logprobs=[]),
            event("response.content_part.done", **place, part=part),
            event("response.output_item.done", output_index=0, item=item),
            event(ended, response=whole),
        ]

    yield event("response.created", response=response.begun())
    yield event("response.in_progress", response=response.begun())
    yield event("response.output_item.added", output_index=0, item=response.item("in_progress"))
    yield event("response.content_part.added", **place, part=response.part("", []))
    try:
        for each in parts(first):
            yield each
        async for happened in events:
            for each in parts(happened):
                yield each
    except LoragError as error:
        yield event("response.failed", response=response.failed(error))
    except Exception as error:
        yield event("response.failed", response=response.failed(unexpected(error)))
