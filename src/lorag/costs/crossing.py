"""Where two strategies cost the same, in closed form."""

from dataclasses import dataclass
from itertools import combinations, product

from lorag.costs.unit_costs import Band, UnitCosts
from lorag.strategies import Strategy


@dataclass(frozen=True, slots=True)
class Crossing:
    """Strategies `first` and `second` cost the same a day where `updates * u + queries * q + storage = 0`.

    `u` are updates a day, `q` queries a day; the coefficients are what `first` costs more than `second`. So the line is
    `q = u * (U1 - U2) / (Q2 - Q1) + (S1 - S2) / (Q2 - Q1)`. It exists where that meets u > 0 and q > 0, that is where
    the coefficients have both signs.
    """

    first: Strategy
    second: Strategy
    updates: float
    queries: float
    storage: float

    @property
    def exists(self) -> bool:
        """Whether there are workloads for which each of the two is cheaper."""
        signs = (self.updates, self.queries, self.storage)
        return min(signs) < 0 < max(signs)

    @property
    def falls(self) -> bool:
        """Whether one is dearer to update and to ask: it wins by what it stores, where little is updated and asked."""
        return self.exists and self.updates * self.queries > 0

    @property
    def slope(self) -> float | None:
        """Queries for each update on the line, below zero where it falls; None where there is none or it is upright."""
        return -self.updates / self.queries if self.exists and self.queries else None

    @property
    def offset(self) -> float | None:
        """Queries a day on the line where nothing changes; below zero where the line starts to the right."""
        return -self.storage / self.queries if self.exists and self.queries else None

    @property
    def cheaper_above(self) -> Strategy | None:
        """The cheaper one with more queries than on the line; None without a line or where queries cost the same."""
        if not self.exists or not self.queries:
            return None
        return self.second if self.queries > 0 else self.first

    @property
    def always_cheaper(self) -> Strategy | None:
        """The cheaper one for every workload; None where the line exists, or where all costs are equal."""
        if self.exists or not (self.updates or self.queries or self.storage):
            return None
        return self.second if max(self.updates, self.queries, self.storage) > 0 else self.first

    def queries_at(self, updates: float) -> float | None:
        """Queries a day on the line at so many updates a day; None where it is not there."""
        if self.slope is None or self.offset is None:
            return None
        queries = self.slope * updates + self.offset
        return queries if queries > 0 else None

    def updates_at(self, queries: float) -> float | None:
        """Updates a day on the line at so many queries a day; None where it is not there."""
        if not self.exists or not self.updates:
            return None
        updates = -(self.queries * queries + self.storage) / self.updates
        return updates if updates > 0 else None


@dataclass(frozen=True, slots=True)
class SlopeRange:
    """The slopes that the least and the greatest costs measured allow; `sure` where a line rises for all of them.

    Otherwise the two bound nothing: between costs that cross and costs that do not, the slope grows beyond limits.
    """

    least: float | None
    greatest: float | None
    sure: bool


def cross(first: UnitCosts, second: UnitCosts) -> Crossing:
    """By the medians."""
    return Crossing(
        first.strategy,
        second.strategy,
        first.update.median - second.update.median,
        first.query.median - second.query.median,
        first.storage_a_day - second.storage_a_day,
    )


def slope_range(first: UnitCosts, second: UnitCosts) -> SlopeRange:
    """Each cost at its least and its greatest, independently of the others: wider than what is likely."""
    storage = first.storage_a_day - second.storage_a_day
    lines = [
        Crossing(first.strategy, second.strategy, updates, queries, storage)
        for updates, queries in product(
            _differences(first.update, second.update), _differences(first.query, second.query)
        )
    ]
    slopes = [line.slope for line in lines if line.slope is not None and not line.falls]
    sure = all(line.exists and not line.falls for line in lines)
    return SlopeRange(min(slopes, default=None), max(slopes, default=None), sure)


def pairs(costs: list[UnitCosts]) -> list[tuple[UnitCosts, UnitCosts]]:
    """Each two of them once."""
    return list(combinations(costs, 2))


def _differences(first: Band, second: Band) -> tuple[float, float]:
    return first.least - second.greatest, first.greatest - second.least
