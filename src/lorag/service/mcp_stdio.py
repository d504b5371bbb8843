"""The process of `lorag mcp`: the tools for an agent on this machine, over standard input and output."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from mcp.server.mcpserver import Context

from lorag.errors import ParamsError
from lorag.params import Params
from lorag.params_file import load_params
from lorag.service.client import find_service
from lorag.service.keys import KeyRing
from lorag.service.mcp_tools import ServiceTools, make_server
from lorag.service.routing import Service
from lorag.strategies import Requested
from lorag.use_cases.serve.access import EVERYTHING, Access
from lorag.workspace import Workspace

KEY_VARIABLE = "LORAG_MCP_KEY"


def run_stdio(workspace: Workspace, environment: Mapping[str, str]) -> None:
    """Serve the tools until the agent closes standard input.

    While a service of this workspace runs, it is asked; otherwise index and model are opened here. Whoever starts it
    can read the workspace's files, so it asks for no key. With a key in LORAG_MCP_KEY it shows what that key may read;
    raises ParamsError for an unknown one.
    """
    params = load_params(workspace.params_file)
    key = environment.get(KEY_VARIABLE)
    access = access_by(key, KeyRing(None, workspace.resolve(params.service.keys_file)))
    tools = NearestTools(workspace, environment, params, key, access)
    try:
        make_server(tools).run("stdio")
    finally:
        tools.close()


def access_by(key: str | None, ring: KeyRing) -> Access:
    """Return what a key may read, everything without one; raises ParamsError for an unknown key."""
    if not key:
        return EVERYTHING
    found = ring.find(key)
    if found is None:
        raise ParamsError("no such key", where=KEY_VARIABLE, do="make one with `lorag keys add`, or unset it")
    return found


@dataclass(slots=True)
class NearestTools:
    """The tools of the service that runs, as `lorag ask` finds it; of one in this process where none runs."""

    workspace: Workspace
    environment: Mapping[str, str]
    params: Params
    key: str | None
    access: Access
    _own: Service | None = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def search(
        self, context: Context, query: str, top_k: int, where: Mapping[str, str], as_of: str | None
    ) -> dict[str, Any]:
        """See `Tools`."""
        body = {"query": query, "top_k": top_k, "where": dict(where), "as_of": as_of}
        found = await self._elsewhere("POST", "/v1/search", body)
        return found or await (await self._here()).search(context, query, top_k, where, as_of)

    async def ask(
        self, context: Context, question: str, strategy: Requested, as_of: str | None, where: Mapping[str, str]
    ) -> dict[str, Any]:
        """See `Tools`."""
        body = {"question": question, "strategy": strategy.value, "as_of": as_of, "where": dict(where)}
        found = await self._elsewhere("POST", "/v1/answers", body)
        return found or await (await self._here()).ask(context, question, strategy, as_of, where)

    async def what_changed(self, context: Context, since: str | None) -> dict[str, Any]:
        """See `Tools`."""
        query = f"?{urlencode({'since': since})}" if since is not None else ""
        found = await self._elsewhere("GET", f"/v1/changes{query}")
        return found or await (await self._here()).what_changed(context, since)

    def close(self) -> None:
        """Close what was opened here."""
        if self._own is not None:
            self._own.close()

    async def _elsewhere(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what the running service gives, by the same key; None without one."""
        # An endpoint that this process names may not be the one that the service asks.
        running = None if self.environment.get("LORAG_OPENAI_BASE_URL") else find_service(self.workspace.service_file)
        if running is None:
            return None
        asked = replace(running, key=self.key or running.key)
        return await asyncio.to_thread(asked.call, method, path, body)

    async def _here(self) -> ServiceTools:
        async with self._opening:
            if self._own is None:
                self._own = await asyncio.to_thread(Service.open, self.workspace, self.environment, self.params)
        return ServiceTools(self._own, lambda context: self.access)
