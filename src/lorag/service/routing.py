"""What the routes share: who asks, the models of requests, and streams of lines."""

import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from fastapi import Depends, Request
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from lorag.params import Params
from lorag.service.desk import Desk
from lorag.service.metrics import Metrics
from lorag.service.problems import refusal
from lorag.service.work import Ended, Queue
from lorag.strategies import REQUESTS, Requested
from lorag.use_cases.serve.access import Access
from lorag.use_cases.serve.answer_costs import AnswerCosts
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.query_log import QueryLog
from lorag.use_cases.serve.tracing import Tracer
from lorag.workspace import Workspace

MAX_QUESTION = 8_000
"""The most characters of a question, about 2,000 tokens."""


def as_text(value: Any) -> Any:
    """Return the number of a release as text, for programs that send it as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def as_whole(value: Any) -> Any:
    """Return 5 for 5.0, which is a whole number in JSON."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def as_requested(value: Any) -> Requested:
    """Return the strategy of that name, or the request to choose one; raise for pydantic if there is none."""
    for each in REQUESTS:
        if value == each.value:
            return each
    *most, last = (f"'{each}'" for each in REQUESTS)
    raise PydanticCustomError("enum", "no such strategy", {"expected": f"{', '.join(most)} or {last}"})


def not_blank(text: str) -> str:
    """Return the text; raise for pydantic if there is nothing but blanks in it."""
    if not text.strip():
        raise PydanticCustomError("string_too_short", "blank")
    return text


Text = Annotated[
    str,
    # The pattern is for readers of the schema: a pattern of pydantic knows other blanks.
    Field(min_length=1, max_length=MAX_QUESTION, json_schema_extra={"pattern": r"[^\s\u001c-\u001f\u0085]"}),
    AfterValidator(not_blank),
]
Where = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=1_000)]],
    Field(max_length=20, description="Metadata that a document must have, all of it."),
]
Strategies = Annotated[
    Requested, PlainValidator(as_requested), WithJsonSchema({"type": "string", "enum": [*map(str, REQUESTS)]})
]
# With the limit around `| None`, pydantic takes the length of None.
AsOf = Annotated[
    Annotated[str, Field(max_length=100)] | None,
    BeforeValidator(as_text),
    Field(description="A retained release, by id or generation."),
]


class Body(BaseModel):
    """A request that refuses unknown fields and values of other types."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    where: str
    do: str
    request_id: str


def access_of(request: Request) -> Access:
    """Return who asks; the guard has looked at the key."""
    access: Access = request.state.access
    return access


def check_query(request: Request) -> None:
    """Raise Refused with 422 for a parameter in the address that the path does not have, or that occurs twice."""
    route = request.scope["route"]
    known = {field.alias for field in route.dependant.query_params}
    given = [name for name, _ in request.query_params.multi_items()]
    for name in given:
        if name not in known:
            do = f"it takes {', '.join(sorted(known)) or 'none'}"
            raise refusal(422, "bad-request", f"no parameter {name[:100]!r}", where=name[:100], do=do)
        if given.count(name) > 1:
            raise refusal(422, "bad-request", f"the parameter {name!r} occurs twice", where=name, do="send it once")


Caller = Annotated[Access, Depends(access_of)]


@dataclass(frozen=True, slots=True)
class Service:
    """The desk with the queue in front of the language model, and one for requests that only read."""

    desk: Desk
    answers: Queue
    reads: Queue

    @classmethod
    def open(cls, workspace: Workspace, environment: Mapping[str, str], params: Params) -> Self:
        """Return the service of a workspace, and begin to open its release and model in a thread."""
        metrics, own = Metrics(), params.service
        log = QueryLog(workspace, own.keep_questions_days)
        tracer = Tracer(workspace, environment, params)
        live = LiveRelease(workspace, environment)
        desk = Desk(workspace, environment, live, log, metrics, AnswerCosts(workspace), tracer)
        tracer.start()
        places = own.answers_at_once
        queues = [Queue(n, own.queue, own.deadline_s, metrics) for n in (places, 2 * places)]
        threading.Thread(target=desk.keep_warm, name="keep-warm", daemon=True).start()
        return cls(desk, *queues)

    def close(self) -> None:
        """Take no more questions, and close the release after the last one."""
        self.answers.close()
        self.reads.close()
        self.desk.live.close()
        self.desk.tracer.close()


async def first_of(events: AsyncIterator[str | Ended]) -> str | Ended:
    """Return the first event of a stream, so that an error before it still has a status of its own."""
    return await anext(events)


def example(value: Any, stream: str | None = None) -> dict[int | str, dict[str, Any]]:
    """Return a successful response's example for the OpenAPI document; `stream` is the media type of a stream of it."""
    content: dict[str, Any] = {"application/json": {"example": value}}
    if stream is not None:
        content[stream] = {"schema": {"type": "string"}}
    return {200: {"content": content}}
