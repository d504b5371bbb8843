"""Parts of a page that come while an answer is made."""

import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator

from fastapi.responses import StreamingResponse

from lorag.errors import LoragError
from lorag.service.page.headers import PRIVATE
from lorag.service.page.render import html

logger = logging.getLogger(__name__)

# No others: a browser keeps U+2028 within a line, and so must the stream.
_LINE_END = re.compile(r"\r\n|\r|\n")

Send = Callable[[str], None]
"""Called with HTML that replaces what was sent before."""


def stream_parts(work: Callable[[Send], None]) -> StreamingResponse:
    """Return a stream of events, each with the whole part as it is then; an error is the last of them.

    `work` runs in a thread of its own and ends by itself if the browser leaves.
    """
    return StreamingResponse(_events(work), media_type="text/event-stream", headers=PRIVATE)


def _events(work: Callable[[Send], None]) -> Iterator[str]:
    parts: queue.Queue[str | None] = queue.Queue()

    def run() -> None:
        try:
            work(parts.put)
        except LoragError as error:
            parts.put(html("error.html.jinja", error=error))
        # A stream that breaks off would look like an answer without an end.
        except Exception:
            logger.exception("a question was not answered")
            defect = LoragError("this was not answered", do="look at the log of the service, and report it")
            parts.put(html("error.html.jinja", error=defect))
        finally:
            parts.put(None)

    threading.Thread(target=run, name="page-answer", daemon=True).start()
    while (part := parts.get()) is not None:
        yield "".join(f"data: {line}\n" for line in _LINE_END.split(part)) + "\n"
