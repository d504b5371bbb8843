"""The application of `lorag serve`: the guard, the routes, and errors as problems."""

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from lorag.errors import LoragError
from lorag.params_file import load_params
from lorag.service import answers, documents, feedback, health, openai_chat, openai_models, openai_responses
from lorag.service.bad_fields import explain_field, path_of
from lorag.service.guard import MCP_PATH, OPEN_PATHS, Guard, Rates, first_parts, posted
from lorag.service.keys import KeyRing
from lorag.service.page import make_page
from lorag.service.page.session import Sessions
from lorag.service.problems import MEDIA_TYPE, Refused, problem_of, refusal
from lorag.service.routing import Problem, Service, check_query
from lorag.workspace import Workspace

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

_ROUTERS = (answers, documents, feedback, openai_models, openai_chat, openai_responses)
_ERRORS = ("4XX", "5XX")
_OPENAI = ("/v1/chat/", "/v1/responses", "/v1/models")


def make_app(
    workspace: Workspace,
    environment: Mapping[str, str],
    key: str,
    on_ready: Callable[[], None] = lambda: None,
    on_end: Callable[[], None] = lambda: None,
    *,
    hosts: Iterable[str] = (),
) -> FastAPI:
    """Return the application; every path but the health checks asks for `key`, or a key of the file, as bearer token.

    `hosts` are names under which it may be asked, besides those of this machine itself. `on_ready` is called before the
    first request, `on_end` after the last one.
    """
    every = load_params(workspace.params_file)
    params, service = every.service, Service.open(workspace, environment, every)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for enter in entering:
                await stack.enter_async_context(enter())
            on_ready()
            yield
            on_end()
        service.close()

    entering: list[Callable[[], Any]] = []
    app = FastAPI(
        title="lorag",
        version="1",
        description="Answers from the current release. Errors are problem JSON (RFC 9457).",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        responses={status: {"model": Problem} for status in _ERRORS},
    )
    app.include_router(health.make_router(service))
    made = [each.make_router(service) for each in _ROUTERS]
    for router in made:
        app.include_router(router, dependencies=[Depends(check_query)])
    # Only the owner's key opens the page, which reads everything.
    page = make_page(service, Sessions.for_key(key))
    for router in page:
        app.include_router(router)
    if importlib.util.find_spec("mcp") is not None:
        from lorag.service.mcp_http import mount_mcp

        entering.append(mount_mcp(app, service))
    _explain_errors(app)
    _describe_keys(app)
    app.add_middleware(
        Guard,
        keys=KeyRing(key, workspace.resolve(params.keys_file)),
        rates=Rates(params.requests_per_minute),
        hosts=LOOPBACK | {host.lower() for host in hosts},
        max_body_bytes=params.max_body_bytes,
        posts=posted(made) | {MCP_PATH},
        metrics=service.desk.metrics,
        page=first_parts(page),
    )
    return app


def _explain_errors(app: FastAPI) -> None:
    def respond(request: Request, error: LoragError | Refused) -> Response:
        return problem_of(error, request.url.path, request.state.request_id)

    def explain(request: Request, error: Exception) -> Response:
        assert isinstance(error, LoragError | Refused)
        return respond(request, error)

    def explain_request(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        # OpenAI's clients know 400 for a request that cannot be used.
        status = 400 if request.url.path.startswith(_OPENAI) else 422
        return respond(request, Refused(status, "bad-request", explain_field(first, path_of(first["loc"][1:]))))

    def explain_path(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        what = {404: "there is no such path", 405: "the path knows no such method"}.get(error.status_code, error.detail)
        slug = {404: "not-there", 405: "wrong-method"}.get(error.status_code, "bad-request")
        headers = {name.replace("-", "_"): value for name, value in (error.headers or {}).items()}
        return respond(request, refusal(error.status_code, slug, what, do="see /openapi.json", **headers))

    app.add_exception_handler(LoragError, explain)
    app.add_exception_handler(Refused, explain)
    app.add_exception_handler(RequestValidationError, explain_request)
    app.add_exception_handler(HTTPException, explain_path)


def _describe_keys(app: FastAPI) -> None:
    """Make the OpenAPI document say that a bearer token is needed, and that errors are problem JSON."""
    describe = app.openapi

    def with_keys() -> dict[str, Any]:
        described = describe()
        schemes = described.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes["key"] = {"type": "http", "scheme": "bearer"}
        for path, methods in described["paths"].items():
            for method in methods.values():
                method["security"] = [] if path in OPEN_PATHS else [{"key": []}]
                for status, response in method["responses"].items():
                    # FastAPI would say that errors are application/json.
                    if status in _ERRORS and (content := response.get("content", {})).keys() != {MEDIA_TYPE}:
                        response["content"] = {MEDIA_TYPE: next(iter(content.values()))}
        return described

    app.openapi = with_keys  # type: ignore[method-assign]
