"""The permanent Prefect server, as opposed to the one that a single command starts for itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lorag.errors import StoreFailed, WorkspaceError
from lorag.integrations.prefect.own_server import is_own
from lorag.integrations.shown_address import shown_address, without_user

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient


def workspace_name(root: Path) -> str:
    """Return the name of a workspace's deployments, work pool and worker: its folder's name, in plain letters only."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", root.name).strip("-.") or "workspace"


def server_api() -> str | None:
    """Return the address that Prefect's settings name in this process; None if each command starts its own server."""
    from prefect.settings import PREFECT_API_URL

    api = PREFECT_API_URL.value() or None
    return None if is_own(api) else api


def require_server() -> str:
    """Return the address; raises WorkspaceError if there is none."""
    if (api := server_api()) is None:
        raise WorkspaceError(
            "no Prefect server", where="PREFECT_API_URL", do="start one with `lorag up`, or name one that runs"
        )
    return api


@contextmanager
def connect_server(api: str | None = None) -> Iterator["SyncPrefectClient"]:
    """Yield a client of the server at `api`, or of the one that the settings name; its failures raise StoreFailed."""
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL, temporary_settings

    api = api or require_server()
    try:
        with temporary_settings({PREFECT_API_URL: api}), get_client(sync_client=True) as client:
            yield client
    except (httpx.HTTPError, httpx.InvalidURL, PrefectHTTPStatusError, RuntimeError, ValueError) as error:
        # A ValueError is what another server than Prefect's answers.
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise StoreFailed(
            f"Prefect failed: {without_user(said, api)}",
            where=shown_address(api),
            do="check that the server runs (`lorag up`), and that its address ends in /api",
        ) from error
