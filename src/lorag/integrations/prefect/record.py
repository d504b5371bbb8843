"""The record of a flow run in the Prefect UI: tables, links, and tags that name its counterparts elsewhere."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from lorag.errors import StoreFailed
from lorag.integrations.prefect.server import connect_server, server_api

T = TypeVar("T")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Tables by name, links by name, and tags such as `release` with their values; empty values are left out."""

    tables: Mapping[str, list[dict[str, Any]]]
    links: Mapping[str, str | None]
    tags: Mapping[str, str | None]


def record_run(flow_run_id: str, prefix: str, record: RunRecord) -> None:
    """Add artifacts, whose keys begin with `prefix`, and tags to the run; raises StoreFailed."""
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


def show_done(items: Sequence[T], key: str) -> Iterator[T]:
    """Gives the items one by one, while a progress artifact of the run says what share of them is done.

    A server that one command starts for itself shows none, and one that does not answer stops nothing.
    """
    artifact = _set_progress(None, 0.0, key)
    for number, item in enumerate(items, start=1):
        yield item
        artifact = _set_progress(artifact, 100 * number / len(items), key)


def _set_progress(artifact: UUID | None, percent: float, key: str) -> UUID | None:
    """The id of the artifact, which is made where there is none yet; None where nobody listens."""
    if server_api() is None:
        return None
    from prefect.artifacts import create_progress_artifact, update_progress_artifact

    try:
        with connect_server():
            if artifact is None:
                return _id_of(create_progress_artifact(percent, key=key, description=key))
            return _id_of(update_progress_artifact(artifact, progress=percent))
    except StoreFailed as error:
        logger.warning("the progress is not shown: %s", error)
        return artifact


def _id_of(answer: Any) -> UUID:
    # Typed as if it might have to be awaited, which it is not outside of a loop.
    return UUID(str(answer))
