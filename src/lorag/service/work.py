"""The bounded queue in front of the language model: places, deadlines, and clients that leave."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.requests import Request

from lorag.answering.generator import NEVER, Generation, LanguageModel, Message, StopRule, TextStream
from lorag.errors import Overloaded, TimedOut
from lorag.service.metrics import Metrics
from lorag.service.problems import ClientLeft

_LOOK_S = 0.2

T = TypeVar("T")


@dataclass(slots=True)
class Watch:
    """The reason to give up a piece of work, which the work looks at between two tokens."""

    ends_at: float
    _left: threading.Event = field(default_factory=threading.Event)

    @property
    def left_s(self) -> float:
        """The seconds until the deadline."""
        return self.ends_at - time.monotonic()

    def leave(self) -> None:
        """Say that the client has left."""
        self._left.set()

    def check(self) -> None:
        """Raise ClientLeft or TimedOut if there is no use in going on."""
        if self._left.is_set():
            raise ClientLeft("the client left")
        if self.left_s <= 0:
            raise _late()


@dataclass(frozen=True, slots=True)
class WatchedModel:
    """A language model that stops between two pieces of its text once nobody waits for it."""

    model: LanguageModel
    watch: Watch

    @property
    def model_sha256(self) -> str:
        """See `LanguageModel`."""
        return self.model.model_sha256

    @property
    def engine(self) -> str:
        """See `LanguageModel`."""
        return self.model.engine

    def count_tokens(self, text: str) -> int:
        """See `LanguageModel`."""
        return self.model.count_tokens(text)

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        """See `LanguageModel`; raises ClientLeft or TimedOut between two pieces."""
        self.watch.check()
        pieces = self.model.stream(messages, max_new_tokens=max_new_tokens, stop=stop)
        try:
            while True:
                try:
                    piece = next(pieces)
                except StopIteration as end:
                    written: Generation = end.value
                    return written
                self.watch.check()
                yield piece
        finally:
            pieces.close()

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        """See `LanguageModel`."""
        return self.model.generate_batch(conversations, max_new_tokens=max_new_tokens, stop=stop)


Work = Callable[[Watch, Callable[[str], None]], T]
"""A piece of work in a thread: it looks at the watch, and passes text on as it comes."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The result of a piece of work, after all of its text."""

    result: Any


class Queue:
    """A few places for work and a few more to wait for one; all of it is used from one event loop."""

    def __init__(self, places: int, waiting: int, deadline_s: float, metrics: Metrics) -> None:
        self._free = places
        self._places = places
        self._max_waiting = waiting
        self._deadline_s = deadline_s
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._metrics = metrics
        # More threads than places: work whose client has left may still end its last token.
        self._threads = ThreadPoolExecutor(places, thread_name_prefix="answer")

    async def run(self, work: Callable[[Watch], T], request: Request | None = None, answers: int = 1) -> T:
        """Return the result of `work`; raises Overloaded, TimedOut, ClientLeft, or what the work raises."""
        async for event in self.stream(lambda watch, on_text: work(watch), request, answers):
            if isinstance(event, Ended):
                result: T = event.result
                return result
        raise AssertionError("work ends with its result")

    async def stream(
        self, work: Work[Any], request: Request | None = None, answers: int = 1
    ) -> AsyncIterator[str | Ended]:
        """Yield the text of `work` as it comes, then its result; raises the same errors as `run`.

        The deadline is as many times longer as the work gives `answers`, one after the other.
        """
        loop = asyncio.get_running_loop()
        watch = Watch(time.monotonic() + answers * self._deadline_s)
        looking = asyncio.create_task(_look(request, watch))
        try:
            await self._enter(watch, looking)
        except BaseException:
            looking.cancel()
            raise
        events: asyncio.Queue[str | Ended | BaseException] = asyncio.Queue()

        def tell(event: str | Ended | BaseException) -> None:
            # The loop may be closed already when the service ends.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(events.put_nowait, event)

        def do() -> None:
            try:
                watch.check()
                tell(Ended(work(watch, tell)))
            except BaseException as error:
                tell(error)

        # The place is free again when the thread is, not when its client leaves.
        loop.run_in_executor(self._threads, do).add_done_callback(lambda done: self._leave())
        try:
            while True:
                try:
                    event = await asyncio.wait_for(events.get(), max(0.0, watch.left_s))
                except TimeoutError:
                    raise _late() from None
                if isinstance(event, BaseException):
                    raise event
                yield event
                if isinstance(event, Ended):
                    return
        finally:
            watch.leave()
            looking.cancel()

    def close(self) -> None:
        """Take no more work."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _enter(self, watch: Watch, looking: "asyncio.Task[None]") -> None:
        if self._free > 0:
            self._free -= 1
        else:
            if len(self._waiting) >= self._max_waiting:
                raise Overloaded(
                    f"{self._places} requests are answered and {len(self._waiting)} wait", do="ask again in a second"
                )
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            self._metrics.waiting.inc()
            try:
                await asyncio.wait({turn, looking}, timeout=watch.left_s, return_when=asyncio.FIRST_COMPLETED)
                if not turn.done():
                    watch.check()
                    raise _late()
            except BaseException:
                if turn.done():
                    self._pass_on()
                else:
                    self._waiting.remove(turn)
                raise
            finally:
                self._metrics.waiting.dec()
        self._metrics.running.inc()

    def _leave(self) -> None:
        self._metrics.running.dec()
        self._pass_on()

    def _pass_on(self) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._free += 1


async def _look(request: Request | None, watch: Watch) -> None:
    """Look whether the client is still there, until it is not; without a request there is no end."""
    while request is None or not await request.is_disconnected():
        await asyncio.sleep(_LOOK_S)
    watch.leave()


def _late() -> TimedOut:
    return TimedOut("the answer was not ready in time", do="ask again, or raise service.deadline_s")
