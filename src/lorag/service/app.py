"""The endpoints: questions in, answers from the current release out."""

import hmac
import json
import logging
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from lorag.errors import ExitStatus, LoragError, ParamsError
from lorag.retrieval.index.store import Filter
from lorag.strategies import READER, Strategy
from lorag.use_cases.serve.answer import answer_served, answer_with
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.request import refuse_empty
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_HTTP_STATUS = {ExitStatus.USAGE: 400, ExitStatus.BUSY: 503, ExitStatus.STORE: 503}


class Ask(BaseModel):
    """A question; `as_of` names a retained release, `where` maps metadata to the value that a chunk must have."""

    model_config = ConfigDict(extra="forbid")

    question: Annotated[str, Field(min_length=1, max_length=20_000)]
    strategy: Strategy = READER
    as_of: str | None = None
    where: dict[str, str] = {}
    stream: bool = False


def make_app(
    workspace: Workspace,
    environment: Mapping[str, str],
    key: str,
    on_ready: Callable[[], None] = lambda: None,
    on_end: Callable[[], None] = lambda: None,
) -> FastAPI:
    """Return the application; every path but the health checks asks for `key` as a bearer token.

    `on_ready` is called before the first request, `on_end` after the last one.
    """
    live = LiveRelease(workspace, environment)
    threading.Thread(target=_warm_up, args=(live,), name="warm-up", daemon=True).start()
    bearer = HTTPBearer(auto_error=False)

    def require_key(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), key.encode()):
            raise HTTPException(401, "a key is needed", {"WWW-Authenticate": "Bearer"})

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        on_ready()
        yield
        on_end()
        live.close()

    app = FastAPI(title="lorag", docs_url=None, redoc_url=None, lifespan=lifespan)

    @app.exception_handler(LoragError)
    def explain(request: Request, error: LoragError) -> JSONResponse:
        return JSONResponse({"error": error.to_json()}, _HTTP_STATUS.get(error.exit_status, 500))

    @app.exception_handler(RequestValidationError)
    def explain_request(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        return JSONResponse({"error": ParamsError(first["msg"], where=where, do="correct the request").to_json()}, 422)

    @app.exception_handler(HTTPException)
    def explain_refusal(request: Request, error: HTTPException) -> JSONResponse:
        refused = ParamsError(error.detail, where=request.url.path, do="send it as `Authorization: Bearer KEY`")
        return JSONResponse({"error": refused.to_json()}, error.status_code, error.headers)

    @app.get("/healthz")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    def ready() -> dict[str, str]:
        return {"status": "ok", "release": live.release_id()}

    @app.post("/v1/answers", dependencies=[Depends(require_key)], response_model=None)
    def answer(ask: Ask) -> dict[str, Any] | StreamingResponse:
        if ask.stream:
            return StreamingResponse(_stream(ask, live, environment), media_type="application/x-ndjson")
        return _answer(ask, live, environment, lambda piece: None)

    return app


def _warm_up(live: LiveRelease) -> None:
    """Open the release and the model that reads, so that the first question does not wait."""
    # Without a release yet, or with a damaged one, the first question reports it.
    with suppress(LoragError), live.use(READER.profile.adapter):
        pass


def _answer(ask: Ask, live: LiveRelease, environment: Mapping[str, str], on_text: Any) -> dict[str, Any]:
    refuse_empty(ask.question, "question")
    where = Filter(metadata=tuple(ask.where.items()))
    if ask.as_of is not None:
        with live.use(None) as current:
            params = current.params
        return answer_served(
            ask.question,
            ask.strategy,
            live.workspace,
            params,
            environment,
            where=where,
            as_of=ask.as_of,
            on_text=on_text,
        ).to_json()
    with live.use(ask.strategy.profile.adapter) as current:
        return answer_with(
            ask.question, ask.strategy, current.served, current.model, current.params, where=where, on_text=on_text
        ).to_json()


def _stream(ask: Ask, live: LiveRelease, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield lines of JSON: `text` for each piece, at last `result` or `error`."""
    lines: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def work() -> None:
        try:
            lines.put({"result": _answer(ask, live, environment, lambda piece: lines.put({"text": piece}))})
        except LoragError as error:
            lines.put({"error": error.to_json()})
        # A stream that ends without either would look like an answer without words.
        except Exception as error:
            logger.exception("a question was not answered")
            what = f"unexpected {type(error).__name__}: {error}"[:500]
            lines.put({"error": LoragError(what, do="see the log of the service and report it").to_json()})
        finally:
            lines.put(None)

    threading.Thread(target=work, name="answer", daemon=True).start()
    while (line := lines.get()) is not None:
        yield json.dumps(line) + "\n"
