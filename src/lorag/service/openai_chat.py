"""OpenAI's chat completions."""

import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lorag.answering.generator import StopStrings
from lorag.errors import LoragError
from lorag.service.asked import Given
from lorag.service.openai_fields import MESSAGE, Conversation, Extended, asked_of, read_conversation, stop_of
from lorag.service.openai_text import Cutter, annotations_of, extension_of, finish_reason, shown_text
from lorag.service.problems import kind_of, openai_error, unexpected
from lorag.service.routing import Caller, Service, as_whole, example, first_of
from lorag.service.work import Ended

DOOR = "chat"
EVENTS = "text/event-stream"
Limit = Annotated[Annotated[int, Field(ge=1, le=1_000_000)] | None, BeforeValidator(as_whole)]


class StreamOptions(BaseModel):
    """What a stream has besides the text."""

    model_config = ConfigDict(extra="ignore")

    include_usage: bool | None = None


class Chat(Extended):
    """A conversation whose last message is answered; temperature is 0."""

    messages: Annotated[
        list[dict[str, Any]],
        Field(
            min_length=1,
            max_length=200,
            examples=[[{"role": "user", "content": "How deep is berth 4?"}]],
            json_schema_extra={"items": MESSAGE},
        ),
    ]
    max_tokens: Limit = None
    max_completion_tokens: Limit = None
    stop: Any = None
    stream_options: StreamOptions | None = None


_CHAT = {
    "id": "chatcmpl-…",
    "object": "chat.completion",
    "model": "lorag-rag",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Berth 4 is 7.25 metres deep. [1]"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 312, "completion_tokens": 18, "total_tokens": 330},
    "lorag": {"kind": "quoted", "citations": [{"number": 1, "document_id": "berths.md"}]},
}


def make_router(service: Service) -> APIRouter:
    """Return the route of chat completions."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.post("/chat/completions", response_model=None, responses=example(_CHAT, EVENTS))
    async def complete(chat: Chat, request: Request, caller: Caller) -> dict[str, Any] | StreamingResponse:
        """Answer the last message of a conversation, with citations as [1] and in `lorag.citations`."""
        chat.refuse_what_would_be_ignored()
        stop = stop_of(chat.stop)
        conversation = read_conversation(chat.messages, "messages")
        limits = [limit for limit in (chat.max_tokens, chat.max_completion_tokens) if limit is not None]
        asked = asked_of(chat, conversation, DOOR, min(limits, default=None))

        def work(watch: Any, on_text: Callable[[str], None]) -> Given:
            # Marks and stop strings are known once the answer of a strategy that reads is complete, and it comes whole.
            cutter = Cutter(stop, on_text)
            given = service.desk.answer(asked, caller, watch, ignore if asked.strategy.profile.reads else cutter.add)
            if asked.strategy.profile.reads:
                on_text(shown_text(given, stop)[0].text)
            else:
                cutter.finish()
            return given

        events = service.answers.stream(work, request)
        if chat.stream:
            first = await first_of(events)
            usage = bool(chat.stream_options and chat.stream_options.include_usage)
            stream = _events(first, events, _Head(chat.model), stop, conversation, usage)
            return StreamingResponse(stream, media_type=EVENTS)
        async for event in events:
            if isinstance(event, Ended):
                given: Given = event.result
        return _completion(given, _Head(chat.model), stop, conversation)

    return router


def ignore(piece: str) -> None:
    """Pass nothing on."""


class _Head:
    """The members that all parts of one completion share."""

    def __init__(self, model: str) -> None:
        self._values = {"id": f"chatcmpl-{uuid4().hex}", "created": int(time.time()), "model": model}

    def of(self, kind: str, **values: Any) -> dict[str, Any]:
        return {"object": kind, **self._values, **values}


def _completion(given: Given, head: _Head, stop: StopStrings, conversation: Conversation) -> dict[str, Any]:
    marked, was_cut = shown_text(given, stop)
    annotations = [
        {"type": "url_citation", "url_citation": {name: value for name, value in each.items() if name != "type"}}
        for each in annotations_of(given, marked)
    ]
    message = {"role": "assistant", "content": marked.text, "refusal": None, "annotations": annotations}
    reason = "stop" if was_cut else finish_reason(given)
    return head.of(
        "chat.completion",
        choices=[{"index": 0, "message": message, "logprobs": None, "finish_reason": reason}],
        usage=_usage(given),
        lorag=extension_of(given, conversation.ignored),
    )


async def _events(
    first: str | Ended,
    events: AsyncIterator[str | Ended],
    head: _Head,
    stop: StopStrings,
    conversation: Conversation,
    with_usage: bool,
) -> AsyncIterator[str]:
    empty: dict[str, Any] = {"usage": None} if with_usage else {}

    def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        return sse(head.of("chat.completion.chunk", choices=[choice], **empty, **more))

    def parts(event: str | Ended) -> list[str]:
        if not isinstance(event, Ended):
            return [chunk({"content": event})]
        given: Given = event.result
        reason = "stop" if shown_text(given, stop)[1] else finish_reason(given)
        last = [chunk({}, reason, lorag=extension_of(given, conversation.ignored))]
        if with_usage:
            last.append(sse(head.of("chat.completion.chunk", choices=[], usage=_usage(given))))
        return last

    yield chunk({"role": "assistant", "content": ""})
    try:
        for part in parts(first):
            yield part
        async for event in events:
            for part in parts(event):
                yield part
    except LoragError as error:
        yield sse({"error": openai_error(kind_of(error), error)})
    except Exception as error:
        defect = unexpected(error)
        yield sse({"error": openai_error(kind_of(defect), defect)})
    yield "data: [DONE]\n\n"


def sse(value: dict[str, Any], event: str | None = None) -> str:
    """Return an event of a stream (server-sent events)."""
    named = f"event: {event}\n" if event else ""
    return f"{named}data: {json.dumps(value)}\n\n"


def _usage(given: Given) -> dict[str, Any]:
    prompt, written = given.result.answer.prompt_tokens, given.result.answer.generated_tokens
    return {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
