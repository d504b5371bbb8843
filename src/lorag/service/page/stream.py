"""Parts of a page that come while an answer is made."""

import logging
import re
from collections.abc import AsyncIterator, Callable

from fastapi import Request
from fastapi.responses import StreamingResponse

from lorag.errors import LoragError
from lorag.service.page.headers import PRIVATE
from lorag.service.page.render import html
from lorag.service.routing import first_of
from lorag.service.work import Ended, Queue, Work

logger = logging.getLogger(__name__)

# No others: a browser keeps U+2028 within a line, and so must the stream.
_LINE_END = re.compile(r"\r\n|\r|\n")

Send = Callable[[str], None]
"""Called with HTML that replaces what was sent before."""


async def stream_parts(work: Work[None], queue: Queue, request: Request, answers: int = 1) -> StreamingResponse:
    """Return a stream of events, each with the whole part as it is then; an error is the last of them.

    `work` waits in the queue, and calls its second argument with each part. It ends if the browser leaves. Raises what
    the queue raises before the first part.
    """
    events = queue.stream(work, request, answers)
    return StreamingResponse(_events(await first_of(events), events), media_type="text/event-stream", headers=PRIVATE)


async def _events(first: str | Ended, events: AsyncIterator[str | Ended]) -> AsyncIterator[str]:
    try:
        if isinstance(first, str):
            yield _event_of(first)
        async for event in events:
            if isinstance(event, str):
                yield _event_of(event)
    except LoragError as error:
        yield _event_of(html("error.html.jinja", error=error))
    # A stream that breaks off would look like an answer without an end.
    except Exception:
        logger.exception("a question was not answered")
        defect = LoragError("this was not answered", do="look at the log of the service, and report it")
        yield _event_of(html("error.html.jinja", error=defect))


def _event_of(part: str) -> str:
    return "".join(f"data: {line}\n" for line in _LINE_END.split(part)) + "\n"
