"""What every request passes before any route: host, key, rate, and a body that is small, in time and strict JSON."""

import asyncio
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from fastapi import APIRouter
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorag.errors import LoragError, Overloaded
from lorag.service.keys import KeyRing
from lorag.service.metrics import Metrics
from lorag.service.problems import Refused, problem_of, refusal, unexpected
from lorag.use_cases.serve.access import Access

OPEN_PATHS = ("/healthz", "/readyz")
"""The only paths that ask for no key."""

MCP_PATH = "/mcp"
_BODY_S = 10.0
_MAX_DEPTH = 32
_KEY_NAMES = {"key", "api_key", "apikey", "token", "access_token"}
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


@dataclass(slots=True)
class Rates:
    """The requests of each key in the current minute."""

    per_minute: int
    _minute: int = 0
    _counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str) -> None:
        """Count a request; raises Refused with 429 for one too many."""
        now = time.time()
        if int(now // 60) != self._minute:
            self._minute = int(now // 60)
            self._counts.clear()
        self._counts[name] = self._counts.get(name, 0) + 1
        if self._counts[name] > self.per_minute:
            error = Overloaded(f"more than {self.per_minute} requests a minute", do="ask again in the next minute")
            raise Refused(429, "overloaded", error, {"Retry-After": str(60 - int(now % 60))})


@dataclass(frozen=True, slots=True)
class Guard:
    """The middleware around the application; `hosts` are the names under which it may be asked, without port.

    `posts` are the paths that take a body. `page` holds the first parts of the page's paths, which look at their
    sessions and forms themselves.
    """

    app: ASGIApp
    keys: KeyRing
    rates: Rates
    hosts: frozenset[str]
    max_body_bytes: int
    metrics: Metrics
    posts: frozenset[str]
    page: frozenset[str] = frozenset()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        request_id = uuid4().hex
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        began = time.perf_counter()
        status = None

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request_id
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            try:
                headers = Headers(scope=scope)
                self._check_host(headers)
                if scope["path"] not in OPEN_PATHS and first_part(scope["path"]) not in self.page:
                    state["access"] = self._check_key(headers, scope["query_string"])
                    # Any other path or method has no route, whatever the body is.
                    if scope["method"] == "POST" and scope["path"] in self.posts:
                        receive = await self._check_body(headers, receive)
            except (Refused, LoragError) as refused:
                return await problem_of(refused, scope["path"], request_id)(scope, receive, send_marked)
            try:
                await self.app(scope, receive, send_marked)
            except Exception as error:
                if status is not None:
                    raise
                # Raised any further, it would also break the connection, which the client may use again.
                await problem_of(unexpected(error), scope["path"], request_id)(scope, receive, send_marked)
        finally:
            path = getattr(scope.get("route"), "path", scope["path"] if scope["path"] == MCP_PATH else "other")
            self.metrics.count_request(str(path), scope["method"], status or 500, time.perf_counter() - began)

    def _check_host(self, headers: Headers) -> None:
        # A page of another site that a browser shows could otherwise ask in the name of its reader.
        if _name_of(headers.get("host", "")) not in self.hosts:
            raise refusal(400, "wrong-host", "this host is not served here", where="Host", do="see --allowed-host")
        origin = headers.get("origin")
        if origin is not None and _name_of(origin.partition("://")[2]) not in self.hosts:
            raise refusal(403, "foreign-origin", "pages of other hosts may not ask", where="Origin")

    def _check_key(self, headers: Headers, query: bytes) -> Access:
        if any(name.lower() in _KEY_NAMES for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)):
            raise refusal(400, "key-in-url", "a key does not belong into an address", do=_SEND_KEY)
        scheme, _, key = headers.get("authorization", "").partition(" ")
        access = self.keys.find(key.strip()) if scheme.lower() == "bearer" else None
        if access is None:
            what = "this key is not known" if scheme.lower() == "bearer" and key.strip() else "a key is needed"
            raise refusal(401, "no-key", what, do=_SEND_KEY, WWW_Authenticate="Bearer")
        self.rates.count(access.name)
        return access

    async def _check_body(self, headers: Headers, receive: Receive) -> Receive:
        if headers.get("content-encoding", "identity").lower() != "identity":
            raise refusal(415, "encoded", "an encoded body is not read", where="Content-Encoding", do="send plain JSON")
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise refusal(415, "not-json", "the body must be JSON", where="Content-Type", do="send application/json")
        if (length := headers.get("content-length", "0")).isdecimal() and int(length) > self.max_body_bytes:
            raise self._too_large()
        body = await self._read(receive)
        parse_strictly(body)
        given = False

        async def replay() -> Message:
            nonlocal given
            if not given:
                given = True
                return {"type": "http.request", "body": body, "more_body": False}
            return await receive()

        return replay

    async def _read(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(_BODY_S):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise refusal(400, "bad-request", "the client left")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.max_body_bytes:
                        raise self._too_large()
                    if not message.get("more_body"):
                        return b"".join(parts)
        except TimeoutError:
            raise refusal(408, "slow-body", f"the body took more than {_BODY_S:g} s", Connection="close") from None

    def _too_large(self) -> Refused:
        what = f"the body has more than {self.max_body_bytes} bytes"
        return refusal(413, "too-large", what, do="send less; see service.max_body_bytes", Connection="close")


def first_parts(routers: Iterable[APIRouter]) -> frozenset[str]:
    """Return the first part of every path of some routers, which include no other ones."""
    return frozenset(
        first_part(route.path) for router in routers for route in router.routes if isinstance(route, Route)
    )


def posted(routers: Iterable[APIRouter]) -> frozenset[str]:
    """Return the paths of some routers that take a body; none of them has parameters."""
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]
    return frozenset(route.path for route in routes if "POST" in (route.methods or ()))


def first_part(path: str) -> str:
    """Return the first part of a path: `v1` of `/v1/answers`, an empty text of `/`."""
    return path.split("/", 2)[1] if path.startswith("/") else path


_SEND_KEY = "send it as `Authorization: Bearer KEY`"


def parse_strictly(body: bytes) -> Any:
    """Return the value of a JSON body.

    Raises Refused with 400 for what is no JSON, and with 422 for what parsers read in different ways: a key that
    occurs twice, NaN and infinity, half a character; and for a value that is nested too deep.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal(400, "not-utf-8", f"the body is not UTF-8 at byte {error.start}", do="send UTF-8") from error
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise refusal(422, "bad-value", "the body is nested too deep") from None
    except json.JSONDecodeError as error:
        raise refusal(400, "not-json", f"the body is not JSON: {error.msg}", where=f"byte {error.pos}") from error
    except ValueError as error:
        raise refusal(422, "bad-value", f"a number cannot be used: {error}"[:200]) from error
    _check(value, _MAX_DEPTH)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise refusal(422, "bad-value", f"the key {twice[:100]!r} occurs twice", where=twice[:100])
    return found


def _refuse_constant(name: str) -> Any:
    raise refusal(422, "bad-value", f"{name} is no number", do="send finite numbers")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        _refuse_constant(text[:20])
    return value


def _check(value: Any, depth: int) -> None:
    if depth < 0:
        raise refusal(422, "bad-value", f"the body is nested deeper than {_MAX_DEPTH}")
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise refusal(422, "bad-value", "a text has half of a character (a lone surrogate)")
    elif isinstance(value, Mapping):
        for name, item in value.items():
            _check(name, depth)
            _check(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            _check(item, depth - 1)


def _name_of(host: str) -> str:
    """Return the host without its port; an address of IPv6 without its brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""
