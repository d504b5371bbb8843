"""The load to plan for: as given, or as the service had it."""

from datetime import UTC, date, datetime

from lorag.costs.ledger import Ledger
from lorag.costs.served import Traffic, find_traffic
from lorag.errors import ParamsError


def today() -> date:
    """Return the day, in UTC as in the ledger."""
    return datetime.now(UTC).date()


def read_load(
    given: tuple[float | None, float | None], ledger: Ledger, do: str
) -> tuple[tuple[float, float], Traffic | None]:
    """Return updates and queries a day, and the service's traffic if one of them comes from it.

    Raises ParamsError, which says what to `do`, if one was not given and the service was asked nothing.
    """
    updates, queries = given
    if updates is not None and queries is not None:
        return (updates, queries), None
    traffic = find_traffic(ledger, today())
    if traffic is None:
        raise ParamsError("no workload, and the service was asked nothing yet", do=do)
    return (
        traffic.updates_per_day if updates is None else updates,
        traffic.queries_per_day if queries is None else queries,
    ), traffic
