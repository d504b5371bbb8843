"""The process of `lorag mcp`: the tools for an agent on this machine, over standard input and output."""

from collections.abc import Mapping

from lorag.errors import ParamsError
from lorag.params_file import load_params
from lorag.service.keys import KeyRing
from lorag.service.mcp_tools import make_server
from lorag.service.routing import Service
from lorag.use_cases.serve.access import EVERYTHING, Access
from lorag.workspace import Workspace

KEY_VARIABLE = "LORAG_MCP_KEY"


def run_stdio(workspace: Workspace, environment: Mapping[str, str]) -> None:
    """Serve the tools until the agent closes standard input.

    Whoever starts it can read the workspace's files, so it asks for no key. With a key in LORAG_MCP_KEY it shows what
    that key may read; raises ParamsError for an unknown one.
    """
    params = load_params(workspace.params_file).service
    access = access_by(environment.get(KEY_VARIABLE), KeyRing(None, workspace.resolve(params.keys_file)))
    service = Service.open(workspace, environment, params)
    try:
        make_server(service, lambda context: access).run("stdio")
    finally:
        service.close()


def access_by(key: str | None, ring: KeyRing) -> Access:
    """Return what a key may read, everything without one; raises ParamsError for an unknown key."""
    if not key:
        return EVERYTHING
    found = ring.find(key)
    if found is None:
        raise ParamsError("no such key", where=KEY_VARIABLE, do="make one with `lorag keys add`, or unset it")
    return found
