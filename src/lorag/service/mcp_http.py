"""The tools for agents at /mcp of the service, behind the same guard and keys."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lorag.service.guard import MCP_PATH
from lorag.service.mcp_tools import ServiceTools, make_server
from lorag.service.routing import Service
from lorag.use_cases.serve.access import Access

_INVALID_REQUEST = -32600
"""JSON-RPC's code for what is no request."""


def mount_mcp(app: FastAPI, service: Service) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Add the tools to the application; return what has to be entered while it runs."""

    def access_of(context: Context) -> Access:
        request = context.request_context.request
        assert request is not None, "over HTTP each message comes with its request"
        access: Access = request.state.access
        return access

    server = make_server(ServiceTools(service, access_of))
    inner = server.streamable_http_app(
        streamable_http_path=MCP_PATH,
        stateless_http=True,
        json_response=True,
        # The guard has looked at host and origin.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    # Nothing is sent unasked, so a stream by GET would stay open for nothing, and there is no session to delete.
    for route in inner.routes:
        if isinstance(route, Route):
            app.router.routes.append(
                Route(MCP_PATH, _Checked(route.endpoint), methods=["POST"], include_in_schema=False)
            )
    return server.session_manager.run


@dataclass(frozen=True, slots=True)
class _Checked:
    """The library's endpoint behind a look at the message, whose faults it would report in pydantic's words."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # The guard has read the body, and gives it at once.
        first: Message | None = await receive()
        assert first is not None
        if wrong := _what_is_wrong(json.loads(first["body"])):
            error = {"code": _INVALID_REQUEST, "message": wrong}
            response = JSONResponse({"jsonrpc": "2.0", "id": None, "error": error}, 400)
            return await response(scope, receive, send)

        async def replay() -> Message:
            nonlocal first
            message, first = first, None
            return message if message is not None else await receive()

        await self.app(scope, replay, send)


def _what_is_wrong(message: Any) -> str | None:
    """Return what keeps a value from being a message of JSON-RPC 2.0; None if nothing does."""
    if not isinstance(message, dict):
        return "a message must be an object: send one at a time, not a list"
    if message.get("jsonrpc") != "2.0":
        return 'jsonrpc must be "2.0"'
    if "result" in message or "error" in message:
        return None
    if not isinstance(message.get("method"), str):
        return "method must be text"
    if not isinstance(message.get("params", {}), dict):
        return "params must be an object"
    if "id" in message and (isinstance(message["id"], bool) or not isinstance(message["id"], str | int)):
        return "id must be text or a whole number"
    return None
