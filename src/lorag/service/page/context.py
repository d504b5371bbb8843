"""What every part of the page works with, and how its errors are shown."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute

from lorag.errors import LoragError, NotThere, ParamsError
from lorag.releases.shelf import ReleaseShelf
from lorag.service.desk import Desk
from lorag.service.page.headers import PRIVATE
from lorag.service.page.render import show, wants_part
from lorag.service.page.session import Sessions, SignInNeeded
from lorag.service.page.words import VERDICTS
from lorag.service.problems import kind_of
from lorag.service.routing import Service
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.query_log import Verdict
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_KEPT = 300

DOOR = "page"
"""The name of the page in the log of questions."""


@dataclass(slots=True)
class RecentAnswers:
    """The newest answers of this process with everything that is shown of them, by their ids in the log."""

    _found: OrderedDict[str, AnswerResult] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def keep(self, name: str, result: AnswerResult) -> None:
        """Keep an answer under its id in the log; the oldest ones are forgotten."""
        with self._lock:
            self._found[name] = result
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)

    def find(self, name: str) -> AnswerResult | None:
        """Return the answer of that id; None if it is forgotten."""
        with self._lock:
            return self._found.get(name)

    def get(self, name: str) -> AnswerResult:
        """Return the answer of that id; raises NotThere if it is forgotten."""
        found = self.find(name)
        if found is None:
            raise NotThere("this answer is no longer kept", do="ask the question again")
        return found


@dataclass(frozen=True, slots=True)
class PageContext:
    """The service, the sessions and the newest answers."""

    service: Service
    sessions: Sessions
    recent: RecentAnswers = field(default_factory=RecentAnswers)

    @property
    def desk(self) -> Desk:
        """The desk of the service, which every answer comes from."""
        return self.service.desk

    @property
    def workspace(self) -> Workspace:
        """The workspace that is served."""
        return self.desk.workspace

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of the service."""
        return self.desk.environment

    @property
    def verdicts(self) -> Mapping[Verdict, str]:
        """The verdicts that can be given on an answer; none if no question is kept."""
        return VERDICTS if self.desk.log.keep_days else {}

    @property
    def shelf(self) -> ReleaseShelf:
        """The releases of the workspace."""
        return ReleaseShelf(self.workspace.state)

    def require(self, request: Request) -> None:
        """Raise SignInNeeded for a request without a session."""
        self.sessions.holder(request)


class PageRoute(APIRoute):
    """A route that shows an error as a page or as a part of one, in words, and a stranger the sign-in form."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with errors turned into HTML."""
        handle = super().get_route_handler()

        async def handle_shown(request: Request) -> Response:
            try:
                return await handle(request)
            except SignInNeeded:
                return _ask_to_sign_in(request)
            except LoragError as error:
                return show_error(request, error)
            except HTTPException as error:
                return show_error(request, ParamsError(str(error.detail)), error.status_code)
            except RequestValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"][1:])
                return show_error(request, ParamsError(first["msg"], where=where), 422)
            except Exception:
                # What it says may name files of this machine.
                logger.exception("a page was not shown")
                defect = LoragError("this page could not be made", do="look at the log of the service, and report it")
                return show_error(request, defect, 500)

        return handle_shown


def show_error(request: Request, error: LoragError, status: int | None = None) -> Response:
    """Return an error in words, with what to do."""
    code = status or kind_of(error).status
    shown = show(request, "error.html.jinja", code=code, error=error, tab=None, title="Not possible")
    if code in (429, 503):
        shown.headers["Retry-After"] = "1"
    return shown


def _ask_to_sign_in(request: Request) -> Response:
    if wants_part(request):
        return Response(status_code=401, headers={**PRIVATE, "HX-Redirect": "/sign-in"})
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    target = "/sign-in" if here == "/" or request.method != "GET" else f"/sign-in?next={quote(here, safe='')}"
    return RedirectResponse(target, 303, PRIVATE)
