"""OpenAI's list of models: a strategy each, and one that chooses among them."""

from typing import Any

from fastapi import APIRouter, Request

from lorag.service.openai_fields import PREFIX, strategy_of
from lorag.service.problems import refusal
from lorag.service.routing import Caller, Service, example
from lorag.strategies import REQUESTS, Requested


def make_router(service: Service) -> APIRouter:
    """Return the routes that list what can answer."""
    router = APIRouter(prefix="/v1", tags=["openai"])

    @router.get("/models", responses=example({"object": "list", "data": [{"id": "lorag-rag", "object": "model"}]}))
    async def models(request: Request, caller: Caller) -> dict[str, Any]:
        """List the strategies that can answer this key now; `unavailable` says of the others why not."""

        def look() -> dict[Requested, str | None]:
            return {each: service.desk.why_not(each, caller) for each in REQUESTS}

        reasons = await service.reads.run(lambda watch: look(), request)
        data = [_model(strategy) for strategy, reason in reasons.items() if reason is None]
        unavailable = [{"id": PREFIX + s, "reason": reason} for s, reason in reasons.items() if reason is not None]
        return {"object": "list", "data": data, "unavailable": unavailable}

    @router.get("/models/{model}")
    async def model(model: str, request: Request, caller: Caller) -> dict[str, Any]:
        """Return one of them; 404 if it cannot answer now."""
        strategy = strategy_of(model)
        reason = await service.reads.run(lambda watch: service.desk.why_not(strategy, caller), request)
        if reason is not None:
            raise refusal(404, "unavailable-model", reason, where="model")
        return _model(strategy)

    return router


def _model(strategy: Requested) -> dict[str, Any]:
    return {"id": PREFIX + strategy, "object": "model", "created": 0, "owned_by": "lorag"}
