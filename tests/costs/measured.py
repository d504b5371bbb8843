"""Ledger entries with round figures, and the break-even of them, for tests."""

from itertools import count

from lorag.costs.break_even import BreakEven, find_break_even
from lorag.costs.ledger import EntryKind, Extent, Ledger, LedgerEntry, Outcome, TimeToFresh
from lorag.costs.records import Cost, Machine, Use
from lorag.costs.unit_costs import StoredBytes, Unit, measure
from lorag.params import BreakEvenParams, CostParams, PriceParams
from lorag.strategies import Strategy

PRICES = PriceParams(
    cpu_hour=0.04, gpu_hour=2.5, kwh=0.3, storage_gb_month=0.02, million_input_tokens=0.0, million_output_tokens=0.0
)
COSTS = CostParams(currency="EUR", country="DEU", prices=PRICES)
SLOW = Machine("Slow 1", 2)
FAST = Machine("Fast 9", 64, ("H1", "H1"))
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
    outcome: Outcome | None = None,
    settings: str = "",
    is_look: bool = False,
    machine: Machine | None = None,
) -> LedgerEntry:
    """One that took `cpu_s`; each has a run of its own."""
    strategy = Strategy(strategy) if strategy else None
    used = use or Use(wall_s=cpu_s if wall_s is None else wall_s, cpu_s=cpu_s)
    run_id = f"run{next(_numbers)}"
    cost = Cost(used, money, currency, machine)
    day = "2030-01-01"
    return LedgerEntry(
        kind,
        strategy,
        run_id,
        "000001-a",
        day,
        cost,
        extent,
        n_queries,
        source,
        quality,
        speed,
        outcome,
        settings,
        is_look,
    )


NOTHING_STORED = StoredBytes(0, {})
CHART = BreakEvenParams(
    updates_per_day=(0.01, 1000.0),
    queries_per_day=(1.0, 1e6),
    points=9,
    strategies=("rag", "tuned", "hybrid"),
    min_accuracy=0.0,
)
REFRESHES = [
    entry(EntryKind.REFRESH, None, cpu_s=900, extent=Extent.FULL),
    entry(EntryKind.REFRESH, None, cpu_s=36, extent=Extent.INCREMENTAL),
    entry(EntryKind.REFRESH, None, cpu_s=18, extent=Extent.INCREMENTAL),
    entry(EntryKind.REFRESH, None, cpu_s=72, extent=Extent.INCREMENTAL),
    entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.UNCHANGED),
]
RETRAINS = [
    entry(EntryKind.RETRAIN, "tuned", cpu_s=3600, extent=Extent.FULL),
    entry(EntryKind.RETRAIN, "tuned", cpu_s=2, extent=Extent.UNCHANGED),
    entry(EntryKind.RETRAIN, "hybrid", cpu_s=5400, extent=Extent.FULL),
]
ANSWERS = [
    entry(EntryKind.ANSWERS, "rag", cpu_s=360, n_queries=100, quality={"accuracy": 0.8}),
    entry(EntryKind.ANSWERS, "rag", cpu_s=180, n_queries=50),
    entry(EntryKind.ANSWERS, "tuned", cpu_s=36, n_queries=100, quality={"accuracy": 0.4}),
    entry(EntryKind.ANSWERS, "hybrid", cpu_s=360, n_queries=100, quality={"accuracy": 0.9}),
    entry(EntryKind.ANSWERS, "base", cpu_s=36, n_queries=100),
]
ALL = [*REFRESHES, *RETRAINS, *ANSWERS]


def found(
    entries: list[LedgerEntry] = ALL,
    unit: Unit = Unit.MONEY,
    chart: BreakEvenParams = CHART,
    stored: StoredBytes = NOTHING_STORED,
) -> BreakEven:
    """The break-even of entries; rag was fresh after 20 and 40 s."""
    ledger = Ledger(tuple(entries), fresh=(TimeToFresh("rag", 20.0, "run"), TimeToFresh("rag", 40.0, "run")))
    return find_break_even(measure(ledger, stored), unit, "EUR", PRICES, chart)
