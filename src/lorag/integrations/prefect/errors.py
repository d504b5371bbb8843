"""The error for a Prefect server that cannot be reached."""

from collections.abc import Iterator, Mapping

from lorag.errors import StoreFailed
from lorag.integrations.shown_address import shown_address


def lost_server(error: Exception, environment: Mapping[str, str]) -> StoreFailed | None:
    """Return the error for a server that did not answer, even after the client's own retries; else None."""
    from httpx import TransportError
    from prefect.exceptions import PrefectHTTPStatusError

    # If the server is down from the start, the client raises no class of its own, but wraps the original error.
    is_lost = any(
        isinstance(each, TransportError | PrefectHTTPStatusError) or "Failed to reach API" in str(each)
        for each in _with_causes(error)
    )
    if not is_lost:
        return None
    return StoreFailed(
        "the Prefect server does not answer",
        where=shown_address(environment.get("PREFECT_API_URL", "")) or "the server of this run",
        do="start it, or unset PREFECT_API_URL, and run this again; the current release stays in use",
    )


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
