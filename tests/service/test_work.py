"""The queue: a place each, a bounded wait, a deadline, and a place that is free once its client has left."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest

from lorag.answering.generator import NEVER, Generation, LanguageModel, Message, Role, StopRule, TextStream, drain
from lorag.errors import NotThere, Overloaded, TimedOut
from lorag.service.metrics import Metrics
from lorag.service.problems import ClientLeft
from lorag.service.work import Ended, Queue, Watch, WatchedModel
from tests.service.conftest import OWNER, QUESTION, Served, with_key


class Endless:
    """A model that writes a word every hundredth of a second, until it is closed."""

    model_sha256 = engine = "endless"

    def __init__(self) -> None:
        self.closed = threading.Event()

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        try:
            for _ in range(max_new_tokens):
                time.sleep(0.01)
                yield "word "
            return Generation("", 1, max_new_tokens)
        finally:
            self.closed.set()

    def generate_batch(self, *args: Any, **values: Any) -> list[Generation]:
        raise NotImplementedError


def make_queue(places: int = 1, waiting: int = 1, deadline_s: float = 30.0) -> Queue:
    return Queue(places, waiting, deadline_s, Metrics())


def writing(model: LanguageModel, tokens: int = 100_000) -> Callable[[Watch, Callable[[str], None]], Generation]:
    """Work that lets the model write."""
    messages = (Message(Role.USER, "go"),)
    return lambda watch, tell: drain(WatchedModel(model, watch).stream(messages, max_new_tokens=tokens), tell)


class Client:
    """A client that leaves when it is told to."""

    left = False

    async def is_disconnected(self) -> bool:
        return self.left


def test_work_beyond_the_places_waits_and_beyond_the_queue_is_refused() -> None:
    async def ask() -> list[Any]:
        queue = make_queue(places=2, waiting=1)
        begun, go_on = threading.Barrier(3), threading.Event()

        def work(watch: Watch) -> str:
            if not go_on.is_set():
                begun.wait(10)
                go_on.wait(10)
            return "done"

        running = [asyncio.create_task(queue.run(work)) for _ in range(3)]
        await asyncio.get_running_loop().run_in_executor(None, begun.wait, 10)
        refused = await asyncio.gather(queue.run(work), return_exceptions=True)
        go_on.set()
        return [*refused, *await asyncio.gather(*running), await queue.run(work)]

    refused, *done = asyncio.run(ask())
    assert isinstance(refused, Overloaded) and done == ["done"] * 4


def test_work_ends_at_its_deadline() -> None:
    async def ask() -> Any:
        queue, model = make_queue(deadline_s=0.3), Endless()
        ended = await asyncio.gather(collect(queue.stream(writing(model))), return_exceptions=True)
        return ended[0], await queue.run(lambda watch: "free again"), model.closed.is_set()

    ended, after, closed = asyncio.run(ask())
    assert isinstance(ended, TimedOut) and after == "free again" and closed


def test_the_wait_for_a_place_ends_at_the_deadline_too() -> None:
    async def ask() -> Any:
        queue, go_on = make_queue(deadline_s=0.3), threading.Event()
        running = asyncio.create_task(queue.run(lambda watch: go_on.wait(10)))
        ended = await asyncio.gather(queue.run(lambda watch: "late"), running, return_exceptions=True)
        refused = await asyncio.gather(queue.run(lambda watch: "late"), return_exceptions=True)
        go_on.set()
        return [*ended, *refused]

    errors = asyncio.run(ask())
    assert [type(error) for error in errors] == [TimedOut, TimedOut, TimedOut]


async def collect(events: Any) -> list[Any]:
    return [event async for event in events]


def test_a_client_that_leaves_frees_its_place() -> None:
    async def ask() -> Any:
        queue, model, client = make_queue(waiting=4), Endless(), Client()
        running = asyncio.create_task(collect(queue.stream(writing(model), client)))  # type: ignore[arg-type]
        waiting = Client()
        behind = asyncio.create_task(queue.run(lambda watch: "never", waiting))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        waiting.left = True
        gone = await asyncio.gather(behind, return_exceptions=True)
        client.left = True
        after = await asyncio.wait_for(queue.run(lambda watch: "free"), 5)
        return [*gone, *await asyncio.gather(running, return_exceptions=True)], after, model.closed.is_set()

    errors, after, closed = asyncio.run(ask())
    assert [type(error) for error in errors] == [ClientLeft, ClientLeft]
    assert after == "free" and closed


def test_a_reader_that_stops_in_the_middle_frees_its_place() -> None:
    async def ask() -> Any:
        queue, model = make_queue(), Endless()
        events = queue.stream(writing(model))
        first = await anext(events)
        await events.aclose()  # type: ignore[attr-defined]
        return first, await asyncio.wait_for(queue.run(lambda watch: "free"), 5), model.closed.is_set()

    assert asyncio.run(ask()) == ("word ", "free", True)


def test_the_text_comes_before_the_result_and_errors_come_through() -> None:
    async def ask() -> Any:
        queue, model = make_queue(), Endless()
        events = await collect(queue.stream(writing(model, tokens=3)))

        def fail(watch: Watch) -> None:
            raise NotThere("nothing")

        return events, await asyncio.gather(queue.run(fail), return_exceptions=True)

    events, failed = asyncio.run(ask())
    assert events == ["word ", "word ", "word ", Ended(Generation("", 1, 3))]
    assert isinstance(failed[0], NotThere)


def test_many_clients_are_answered_or_told_to_come_back_and_health_still_answers(service: Served) -> None:
    async def ask() -> tuple[list[httpx.Response], httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=service.address, headers=with_key(OWNER), limits=limits, timeout=120
        ) as many:
            asking = [
                asyncio.create_task(many.post("/v1/answers", json={"question": QUESTION, "strategy": "base"}))
                for _ in range(80)
            ]
            await asyncio.sleep(0.05)
            health = await many.get("/healthz")
            return await asyncio.gather(*asking), health

    responses, health = asyncio.run(ask())
    assert health.status_code == 200
    statuses = [response.status_code for response in responses]
    assert set(statuses) == {200, 429}
    for response in responses:
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) >= 1
            assert (response.json()["code"], response.headers["content-type"]) == ("E041", "application/problem+json")


def test_a_client_that_is_gone_leaves_no_work_behind(service: Served) -> None:
    """It sends a question and hangs up."""
    host, port = service.address.removeprefix("http://").split(":")
    body = b'{"question": "How deep is berth 4?", "strategy": "base"}'
    for _ in range(5):
        with socket.create_connection((host, int(port))) as connection:
            head = f"POST /v1/answers HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {OWNER}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
    end = time.monotonic() + 20
    while time.monotonic() < end:
        figures = service.client.get("/metrics").text
        if "lorag_answers_running 0.0" in figures and "lorag_answers_waiting 0.0" in figures:
            return
        time.sleep(0.1)
    pytest.fail(figures)


def test_a_slow_body_is_not_waited_for(service: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lorag.service.guard._BODY_S", 0.2)
    host, port = service.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/answers HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {OWNER}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n".encode() + b'{"q')
        assert connection.recv(1_000).startswith(b"HTTP/1.1 408 ")
