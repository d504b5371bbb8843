"""What a flow run shows of itself in the Prefect UI: tables, links, and tags that name its counterparts elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from lorag.integrations.prefect.server import connect_server


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Tables by name, links by name, and tags such as `release` with their values; empty values are left out."""

    tables: Mapping[str, list[dict[str, Any]]]
    links: Mapping[str, str | None]
    tags: Mapping[str, str | None]


def record_run(flow_run_id: str, prefix: str, record: RunRecord) -> None:
    """Adds artifacts, whose keys begin with `prefix`, and tags to the run; raises StoreFailed."""
    from prefect.artifacts import create_link_artifact, create_table_artifact

    with connect_server() as client:
        for name, rows in record.tables.items():
            create_table_artifact(rows, key=f"{prefix}-{name}", description=name)
        for name, link in record.links.items():
            if link:
                create_link_artifact(link, link_text=name, key=f"{prefix}-{name}", description=name)
        run_id = UUID(flow_run_id)
        tags = {f"{name}:{value}" for name, value in record.tags.items() if value}
        client.update_flow_run(run_id, tags=sorted({*client.read_flow_run(run_id).tags, *tags}))
