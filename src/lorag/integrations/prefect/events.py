"""Events of a workspace on a Prefect server, which its automations wait for."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any
from uuid import uuid4

from lorag.integrations.prefect.server import connect_server, workspace_name


class EventName(StrEnum):
    """The events of a workspace that a deployment may wait for."""

    KNOWLEDGE_CHANGED = "lorag.knowledge.changed"
    RELEASE_PUBLISHED = "lorag.release.published"
    RETRAIN_DUE = "lorag.retrain.due"


def emit_event(
    name: EventName, root: Path, payload: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> None:
    """Send an event to the server that the settings name, and return once it is received; raises StoreFailed otherwise.

    `labels` are what a trigger may match besides the workspace. Raises WorkspaceError if no server is named.
    """
    resource = {"prefect.resource.id": f"lorag.workspace.{workspace_name(root)}", "prefect.resource.name": str(root)}
    event = {
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "event": name.value,
        "resource": {**resource, **(labels or {})},
        "payload": dict(payload),
    }
    # This waits for the answer, unlike Prefect's own emit_event, which drops what it cannot deliver.
    with connect_server() as client:
        client.request("POST", "/events", json=[event]).raise_for_status()
