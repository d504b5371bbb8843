"""The tools for agents at /mcp of the service, behind the same guard and keys."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from mcp.server.mcpserver import Context
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import Route

from lorag.service.mcp_tools import make_server
from lorag.service.routing import Service
from lorag.use_cases.serve.access import Access

PATH = "/mcp"


def mount_mcp(app: FastAPI, service: Service) -> Callable[[], AbstractAsyncContextManager[None]]:
    """Add the tools to the application; return what has to be entered while it runs."""

    def access_of(context: Context) -> Access:
        request = context.request_context.request
        assert request is not None, "over HTTP each message comes with its request"
        access: Access = request.state.access
        return access

    server = make_server(service, access_of)
    inner = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=True,
        json_response=True,
        # The guard has looked at host and origin.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )
    app.router.routes.extend(route for route in inner.routes if isinstance(route, Route))
    return server.session_manager.run
