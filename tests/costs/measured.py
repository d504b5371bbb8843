"""Ledger entries with round figures, for tests."""

from itertools import count

from lorag.costs.ledger import EntryKind, Extent, LedgerEntry
from lorag.costs.records import Cost, Use
from lorag.params import CostParams, PriceParams, Strategy

PRICES = PriceParams(
    cpu_hour=0.04, gpu_hour=2.5, kwh=0.3, storage_gb_month=0.02, million_input_tokens=0.0, million_output_tokens=0.0
)
COSTS = CostParams(currency="EUR", country="DEU", prices=PRICES)
_numbers = count()


def entry(
    kind: EntryKind,
    strategy: Strategy | None,
    *,
    cpu_s: float,
    wall_s: float | None = None,
    extent: Extent | None = None,
    n_queries: int | None = None,
    money: float = 0.0,
    currency: str = "EUR",
    quality: dict[str, float] | None = None,
    speed: dict[str, float] | None = None,
    use: Use | None = None,
    source: str | None = None,
) -> LedgerEntry:
    """One that took `cpu_s`; each has a run of its own."""
    used = use or Use(wall_s=cpu_s if wall_s is None else wall_s, cpu_s=cpu_s)
    run_id = f"run{next(_numbers)}"
    cost = Cost(used, money, currency)
    day = "2030-01-01"
    return LedgerEntry(kind, strategy, run_id, "000001-a", day, cost, extent, n_queries, source, quality, speed)
