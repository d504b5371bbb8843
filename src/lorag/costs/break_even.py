"""The cheapest strategy over updates a day x queries a day, where it changes, and which prices move that line."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from lorag.costs.crossing import Crossing, SlopeRange, cross, pairs, slope_range
from lorag.costs.policies import Candidate
from lorag.costs.served import Traffic
from lorag.costs.unit_costs import Measured, Missing, Unit, UnitCosts, unit_costs
from lorag.params import BreakEvenParams, PriceParams
from lorag.strategies import READER, Strategy


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The move of the line between two strategies if one price doubles; slopes are in queries for each update."""

    price: str
    first: Strategy
    second: Strategy
    slope: float | None
    slope_doubled: float | None
    offset: float | None
    offset_doubled: float | None


@dataclass(frozen=True, slots=True)
class Grid:
    """The cheapest of `strategies`, if any: `cheapest[row][column]` at `queries[row]` and `updates[column]` a day."""

    strategies: tuple[Strategy, ...]
    updates: tuple[float, ...]
    queries: tuple[float, ...]
    cheapest: tuple[tuple[Strategy, ...], ...]


@dataclass(frozen=True, slots=True)
class Point:
    """The cost of a day with each strategy at one load, and the cheapest of those in the grid, None if there is none.

    `traffic` is where the load comes from; None if it was given.
    """

    updates_per_day: float
    queries_per_day: float
    a_day: dict[Strategy, float]
    cheapest: Strategy | None
    traffic: Traffic | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"traffic": self.traffic and self.traffic.to_json()}


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """The costs of a policy, and the line on which it costs the same as the strategy that reads without an adapter.

    `line` is None for a policy of that strategy itself, and if its own costs were not measured.
    """

    policy: str
    accuracy: float | None
    costs: UnitCosts
    line: Crossing | None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "policy": self.policy,
            "accuracy": self.accuracy,
            "update": asdict(self.costs.update),
            "query": asdict(self.costs.query),
            "storage_a_day": self.costs.storage_a_day,
            "queries_per_update": self.line and self.line.slope,
            "queries_offset": self.line and self.line.offset,
            "cheaper_above": self.line and self.line.cheaper_above,
            "always_cheaper": self.line and self.line.always_cheaper,
        }


@dataclass(frozen=True, slots=True)
class BreakEven:
    """The costs of the measured strategies, in one unit; `left_out` says why a strategy is not in the grid.

    `ranges` has one element for each of `crossings`, in the same order. `n_elsewhere` is the number of the ledger's
    entries that do not count because they were measured on another machine. `policies` is empty without a walk. `at` is
    what a day costs at the real load; None if that is unknown.
    """

    unit: Unit
    currency: str
    costs: tuple[UnitCosts, ...]
    measured: tuple[Measured, ...]
    crossings: tuple[Crossing, ...]
    ranges: tuple[SlopeRange, ...]
    grid: Grid
    left_out: dict[Strategy, str]
    sensitivity: tuple[Sensitivity, ...]
    n_elsewhere: int = 0
    at: Point | None = None
    policies: tuple[PolicyLine, ...] = ()

    @property
    def unit_name(self) -> str:
        """The name of the unit for labels."""
        return self.currency if self.unit is Unit.MONEY else "processor seconds"

    def priced_at(self, updates: float, queries: float, traffic: Traffic | None = None) -> "BreakEven":
        """Return the same with the cost of a day at that many updates and queries."""
        a_day = {cost.strategy: cost.a_day(updates, queries) for cost in self.costs}
        cheapest = min(
            (name for name in a_day if name not in self.left_out), key=lambda name: a_day[name], default=None
        )
        return replace(self, at=Point(updates, queries, a_day, cheapest, traffic))

    @property
    def missing(self) -> dict[Strategy, list[Missing]]:
        """The figures that must still be measured, for each strategy that lacks one."""
        return {one.strategy: one.missing() for one in self.measured if one.missing()}

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag break-even --json` prints."""
        known = {one.strategy: one for one in self.measured}
        return {
            "unit": self.unit.value,
            "currency": self.currency,
            "strategies": {
                cost.strategy: {
                    "update": asdict(cost.update),
                    "query": asdict(cost.query),
                    "storage_a_day": cost.storage_a_day,
                    "accuracy": known[cost.strategy].accuracy,
                    "time_to_fresh_s": known[cost.strategy].time_to_fresh_s,
                    "stored_bytes": known[cost.strategy].stored_bytes,
                    "n_updates": [len(entries) for entries in known[cost.strategy].updates],
                    "n_batches": len(known[cost.strategy].priced),
                    "n_left_out": known[cost.strategy].n_left_out,
                    "n_served": known[cost.strategy].n_served,
                }
                for cost in self.costs
            },
            "crossings": [_crossing_json(line, span) for line, span in zip(self.crossings, self.ranges, strict=True)],
            "grid": asdict(self.grid),
            "left_out": self.left_out,
            "sensitivity": [asdict(one) for one in self.sensitivity],
            "missing": {name: [asdict(one) for one in missing] for name, missing in self.missing.items()},
            "n_elsewhere": self.n_elsewhere,
            "at": self.at and self.at.to_json(),
            "policies": [one.to_json() for one in self.policies],
        }


def find_break_even(
    measured: Sequence[Measured], unit: Unit, currency: str, prices: PriceParams, params: BreakEvenParams
) -> BreakEven:
    """Compute the break-even of the strategies that lack no figure; `missing` names what the others lack."""
    complete = [one for one in measured if not one.missing()]
    costs = [unit_costs(one, unit, prices) for one in complete]
    left_out = {one.strategy: why for one in complete if (why := _why_left_out(one, params))}
    shown = [cost for cost in costs if cost.strategy not in left_out]
    return BreakEven(
        unit,
        currency,
        tuple(costs),
        tuple(measured),
        tuple(cross(*pair) for pair in pairs(costs)),
        tuple(slope_range(*pair) for pair in pairs(costs)),
        fill_grid(shown, params),
        left_out,
        tuple(_sensitivities(complete, prices)) if unit is Unit.MONEY else (),
    )


def policy_lines(candidates: Sequence[Candidate]) -> tuple[PolicyLine, ...]:
    """Return the costs of each policy whose costs and quality were measured, and its line with the reader's."""
    reader = next((one.costs for one in candidates if one.policy.strategy is READER), None)
    found = []
    for one in candidates:
        if one.costs is not None:
            right = one.course.right.get("accuracy") if one.course else None
            line = cross(reader, one.costs) if reader and one.policy.strategy is not READER else None
            found.append(PolicyLine(one.policy.name, right.value if right else None, one.costs, line))
    return tuple(found)


def fill_grid(costs: Sequence[UnitCosts], params: BreakEvenParams) -> Grid:
    """Find the cheapest strategy at each point of a logarithmic grid."""
    updates = _log_steps(*params.updates_per_day, params.points)
    queries = _log_steps(*params.queries_per_day, params.points)
    cheapest = [
        tuple(min(costs, key=lambda cost: cost.a_day(u, q)).strategy for u in updates) for q in queries if costs
    ]
    return Grid(tuple(cost.strategy for cost in costs), updates, queries, tuple(cheapest))


def _why_left_out(one: Measured, params: BreakEvenParams) -> str | None:
    if one.strategy not in params.strategies:
        return "not among break_even.strategies"
    if one.accuracy is not None and one.accuracy < params.min_accuracy:
        return f"accuracy {one.accuracy:.3f} is below {params.min_accuracy:.3f}"
    return None


def _sensitivities(complete: Sequence[Measured], prices: PriceParams) -> list[Sensitivity]:
    found = []
    for first, second in pairs([unit_costs(one, Unit.MONEY, prices) for one in complete]):
        for price in type(prices).model_fields:
            doubled = prices.model_copy(update={price: 2 * getattr(prices, price)})
            known = {one.strategy: unit_costs(one, Unit.MONEY, doubled) for one in complete}
            now, then = cross(first, second), cross(known[first.strategy], known[second.strategy])
            found.append(
                Sensitivity(price, first.strategy, second.strategy, now.slope, then.slope, now.offset, then.offset)
            )
    return found


def _crossing_json(line: Crossing, span: SlopeRange) -> dict[str, Any]:
    return {
        "first": line.first,
        "second": line.second,
        "exists": line.exists,
        "by_storage_alone": line.falls,
        "queries_per_update": line.slope,
        "queries_offset": line.offset,
        "queries_per_update_range": [span.least, span.greatest],
        "sure": span.sure,
        "cheaper_above": line.cheaper_above,
        "always_cheaper": line.always_cheaper,
    }


def _log_steps(least: float, greatest: float, points: int) -> tuple[float, ...]:
    ratio = greatest / least
    return tuple(least * ratio ** (step / (points - 1)) for step in range(points))
