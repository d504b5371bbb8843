"""Errors as problem JSON (RFC 9457), with the code of the error and the id of the request."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from fastapi.responses import JSONResponse

from lorag.errors import (
    Busy,
    GateRefused,
    InputRejected,
    IntegrityFailed,
    LoragError,
    NotAllowed,
    NothingServed,
    NotThere,
    Overloaded,
    ParamsError,
    StoreFailed,
    TimedOut,
    WorkspaceError,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_OPENAI_PATHS = ("/v1/chat/", "/v1/responses", "/v1/models")


class ClientLeft(LoragError):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the status, the last part of its type, and the title, which is the same each time."""

    status: int
    slug: str
    title: str


_KINDS: Mapping[type[LoragError], Kind] = {
    NothingServed: Kind(503, "no-release", "Nothing is served yet"),
    NotThere: Kind(404, "not-there", "There is no such thing"),
    WorkspaceError: Kind(409, "not-possible", "The release cannot do this"),
    ParamsError: Kind(400, "bad-request", "The request cannot be used"),
    NotAllowed: Kind(403, "not-allowed", "The key does not allow this"),
    Overloaded: Kind(429, "overloaded", "Too many requests"),
    TimedOut: Kind(504, "timed-out", "The answer was not ready in time"),
    InputRejected: Kind(422, "bad-request", "The request cannot be used"),
    GateRefused: Kind(409, "gate", "A gate refuses this"),
    IntegrityFailed: Kind(503, "damaged", "What is served is damaged"),
    StoreFailed: Kind(503, "store", "A store or a service failed"),
    Busy: Kind(503, "busy", "Another process is writing"),
    ClientLeft: Kind(499, "client-left", "The client left"),
}


class Refused(Exception):
    """A request that is refused with a status of its own, whatever its error's kind says."""

    def __init__(self, status: int, slug: str, error: LoragError, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(str(error))
        self.kind = Kind(status, slug, HTTPStatus(status).phrase)
        self.error = error
        self.headers = dict(headers or {})


def refusal(status: int, slug: str, what: str, *, where: str = "", do: str = "", **headers: str) -> Refused:
    """Return a refusal of a request that cannot be used."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    error = NotAllowed(what, where=where, do=do) if status in (401, 403) else ParamsError(what, where=where, do=do)
    return Refused(status, slug, error, named)


def kind_of(error: LoragError) -> Kind:
    """Return the kind of problem that an error is; one of no known kind is a defect."""
    found = next((_KINDS[each] for each in type(error).__mro__ if each in _KINDS), None)
    return found or Kind(500, "defect", "A defect of the service")


def problem_of(error: LoragError | Refused, path: str, request_id: str) -> JSONResponse:
    """Return the response for an error; on OpenAI's paths it also has the object `error` that its clients read."""
    kind, cause = (error.kind, error.error) if isinstance(error, Refused) else (kind_of(error), error)
    headers = error.headers if isinstance(error, Refused) else {}
    if kind.status in (429, 503):
        headers = {"Retry-After": "1", **headers}
    if path.startswith(_OPENAI_PATHS) and kind.status == 409:
        # OpenAI's clients would ask the same again.
        kind = replace(kind, status=400)
    body = problem_body(kind, cause, request_id)
    if path.startswith(_OPENAI_PATHS):
        body["error"] = openai_error(kind, cause)
    return JSONResponse(body, kind.status, {**headers, "X-Request-Id": request_id}, MEDIA_TYPE)


def problem_body(kind: Kind, error: LoragError, request_id: str) -> dict[str, Any]:
    """Return the members of a problem."""
    body: dict[str, Any] = {
        "type": f"urn:lorag:problem:{kind.slug}",
        "title": kind.title,
        "status": kind.status,
        "detail": error.what,
        "code": error.code,
        "where": error.where,
        "do": error.do,
        "request_id": request_id,
    }
    return body | ({"details": error.details} if error.details is not None else {})


def openai_error(kind: Kind, error: LoragError) -> dict[str, Any]:
    """Return the object `error` as OpenAI's clients read it."""
    message = " – ".join(part for part in (error.what, error.do) if part)
    return {"message": message, "type": kind.slug, "param": error.where or None, "code": error.code}


def unexpected(error: Exception) -> LoragError:
    """Return the error that a client sees of a defect: nothing of its inside; the log has it."""
    logger.error("a request failed", exc_info=error)
    return LoragError("the service failed to answer", do="see the log of the service and report it")
