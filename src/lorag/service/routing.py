"""What the routes share: who asks, the models of requests, and streams of lines."""

import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Self

from fastapi import Depends, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lorag.params import ServiceParams
from lorag.service.desk import Desk
from lorag.service.metrics import Metrics
from lorag.service.work import Ended, Queue
from lorag.use_cases.serve.access import Access
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.query_log import QueryLog
from lorag.workspace import Workspace

MAX_QUESTION = 8_000
"""The most characters of a question, about 2,000 tokens."""


def as_text(value: Any) -> Any:
    """Return the number of a release as text, for programs that send it as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, Field(min_length=1, max_length=MAX_QUESTION)]
Where = Annotated[
    dict[Annotated[str, Field(min_length=1, max_length=200)], Annotated[str, Field(max_length=1_000)]],
    Field(max_length=20, description="Metadata that a document must have, all of it."),
]
AsOf = Annotated[
    str | None, BeforeValidator(as_text), Field(max_length=100, description="A retained release, by id or generation.")
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


Caller = Annotated[Access, Depends(access_of)]


@dataclass(frozen=True, slots=True)
class Service:
    """The desk with the queue in front of the language model, and one for requests that only read."""

    desk: Desk
    answers: Queue
    reads: Queue

    @classmethod
    def open(cls, workspace: Workspace, environment: Mapping[str, str], params: ServiceParams) -> Self:
        """Return the service of a workspace, and begin to open its release and model in a thread."""
        metrics = Metrics()
        log = QueryLog(workspace, params.keep_questions_days)
        desk = Desk(workspace, environment, LiveRelease(workspace, environment), log, metrics)
        places = params.answers_at_once
        queues = [Queue(n, params.queue, params.deadline_s, metrics) for n in (places, 2 * places)]
        threading.Thread(target=desk.warm_up, name="warm-up", daemon=True).start()
        return cls(desk, *queues)

    def close(self) -> None:
        """Take no more questions, and close the release after the last one."""
        self.answers.close()
        self.reads.close()
        self.desk.live.close()


async def first_of(events: AsyncIterator[str | Ended]) -> str | Ended:
    """Return the first event of a stream, so that an error before it still has a status of its own."""
    return await anext(events)


def example(value: Any) -> dict[int | str, dict[str, Any]]:
    """Return a successful response's example for the OpenAPI document."""
    return {200: {"content": {"application/json": {"example": value}}}}
