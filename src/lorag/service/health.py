"""Whether the service lives, whether it can answer, and its figures."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from lorag.errors import NotAllowed
from lorag.service.routing import Caller, Service


def make_router(service: Service) -> APIRouter:
    """Return the routes for a supervisor."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz")
    async def health() -> dict[str, str]:
        """Say that the process answers requests."""
        return {"status": "ok"}

    @router.get("/readyz")
    async def ready() -> dict[str, str]:
        """Say which release is served; 503 if there is none that can be opened."""
        return {"status": "ok", "release": await run_in_threadpool(service.desk.ready)}

    @router.get("/metrics", response_class=PlainTextResponse)
    async def metrics(caller: Caller) -> Response:
        """Return counters and gauges in the text format of Prometheus, for a key that may read everything."""
        if not caller.reads_all:
            raise NotAllowed("the figures cover all keys", where="/metrics", do="ask with a key that reads everything")
        return Response(service.desk.metrics.as_text(), media_type=CONTENT_TYPE_LATEST)

    return router
