"""The break-even as a chart that a person can move over: regions, ticks, and the cost a day at one workload."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from lorag.costs.break_even import BreakEven, fill_grid
from lorag.costs.unit_costs import UnitCosts
from lorag.params import BreakEvenParams
from lorag.service.page.words import money
from lorag.strategies import Strategy

WIDTH, HEIGHT = 640, 380
LEFT, TOP, RIGHT, BOTTOM = 64, 12, 28, 48
_POINTS = 141
STEPS = 1_000
"""The positions of each slider."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a strategy is the cheapest, as the path of an SVG, and the middle of it."""

    strategy: Strategy
    path: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a place along an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class DailyCost:
    """The cost of a day with one strategy."""

    strategy: Strategy
    text: str
    is_cheapest: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """The drawn chart, and the workload that is read off; `data` is what the script computes with."""

    regions: tuple[Region, ...]
    updates_ticks: tuple[Tick, ...]
    queries_ticks: tuple[Tick, ...]
    updates: float
    queries: float
    updates_at: int
    queries_at: int
    x: float
    y: float
    costs: tuple[DailyCost, ...]
    unit: str
    data: str


def draw_chart(found: BreakEven, params: BreakEvenParams, updates_at: int, queries_at: int) -> Chart | None:
    """Return the chart at a position (0 to `STEPS`) on each logarithmic axis; None if no strategy can be drawn."""
    if not found.grid.cheapest:
        return None
    shown = [cost for cost in found.costs if cost.strategy in found.grid.strategies]
    # Finer than the table of the command, so that a line looks like one.
    found = replace(found, grid=fill_grid(shown, params.model_copy(update={"points": _POINTS})))
    grid = found.grid
    updates, queries = _value(grid.updates, updates_at), _value(grid.queries, queries_at)
    winners = [strategy for strategy in grid.strategies if any(strategy in row for row in grid.cheapest)]
    data = {
        "updates": [grid.updates[0], grid.updates[-1]],
        "queries": [grid.queries[0], grid.queries[-1]],
        "steps": STEPS,
        "plot": [LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM],
        "drawn": list(grid.strategies),
        "costs": {one.strategy: [one.update.median, one.query.median, one.storage_a_day] for one in found.costs},
        "unit": found.unit_name,
    }
    return Chart(
        tuple(_region(found, strategy) for strategy in winners),
        tuple(_ticks(grid.updates, LEFT, WIDTH - RIGHT)),
        tuple(_ticks(grid.queries, HEIGHT - BOTTOM, TOP)),
        updates,
        queries,
        updates_at,
        queries_at,
        _place(updates, grid.updates, LEFT, WIDTH - RIGHT),
        _place(queries, grid.queries, HEIGHT - BOTTOM, TOP),
        tuple(_daily(found, updates, queries)),
        found.unit_name,
        json.dumps(data),
    )


def _daily(found: BreakEven, updates: float, queries: float) -> list[DailyCost]:
    def a_day(one: UnitCosts) -> float:
        return one.a_day(updates, queries)

    drawn = [one for one in found.costs if one.strategy in found.grid.strategies]
    least = min(drawn, key=a_day).strategy
    return [DailyCost(one.strategy, money(a_day(one), found.unit_name), one.strategy is least) for one in found.costs]


def _region(found: BreakEven, strategy: Strategy) -> Region:
    """Return the region as one rectangle for each run of a row."""
    cheapest = found.grid.cheapest
    wide, high = (WIDTH - RIGHT - LEFT) / len(cheapest[0]), (HEIGHT - BOTTOM - TOP) / len(cheapest)
    parts: list[str] = []
    runs: list[tuple[int, int, int]] = []
    for row, names in enumerate(cheapest):
        at = 0
        for is_own, run in groupby(names, lambda name: name is strategy):
            size = len(list(run))
            if is_own:
                x, y = LEFT + at * wide, HEIGHT - BOTTOM - (row + 1) * high
                # A hair higher than its row, so that no seam shows.
                parts.append(f"M{x:.1f} {y:.1f}h{size * wide:.1f}v{high + 0.3:.1f}H{x:.1f}z")
                runs.append((row, at, size))
            at += size
    row, at, size = runs[len(runs) // 2]
    x, y = LEFT + (at + size / 2) * wide, HEIGHT - BOTTOM - (row + 0.5) * high
    return Region(strategy, "".join(parts), x, y)


def _ticks(values: Sequence[float], start: float, end: float) -> list[Tick]:
    first, last = math.ceil(math.log10(values[0]) - 1e-9), math.floor(math.log10(values[-1]) + 1e-9)
    powers = [10.0**power for power in range(first, last + 1)]
    return [Tick(round(_place(power, values, start, end), 1), _short(power)) for power in powers]


def _short(power: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if power >= size:
            return f"{power / size:g}{letter}"
    return f"{power:g}"


def _place(value: float, values: Sequence[float], start: float, end: float) -> float:
    share = math.log(value / values[0]) / math.log(values[-1] / values[0])
    return start + share * (end - start)


def _value(values: Sequence[float], at: int) -> float:
    ratio: float = values[-1] / values[0]
    return float(values[0] * ratio ** (at / STEPS))
