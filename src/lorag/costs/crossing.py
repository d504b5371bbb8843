"""The workloads at which two strategies cost the same, in closed form."""

from dataclasses import dataclass
from itertools import combinations, product

from lorag.costs.unit_costs import Band, UnitCosts
from lorag.strategies import Strategy


@dataclass(frozen=True, slots=True)
class Crossing:
    """The line `updates * u + queries * q + storage = 0`, on which `first` and `second` cost the same a day.

    `u` are updates a day, `q` queries a day; each coefficient is the cost of `first` less that of `second`. So the line
    is `q = u * (U1 - U2) / (Q2 - Q1) + (S1 - S2) / (Q2 - Q1)`. It exists if it passes through u > 0 and q > 0, that is
    if the coefficients have both signs.
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
        """Whether one costs more to update and to ask: it wins by its storage alone, at few updates and queries."""
        return self.exists and self.updates * self.queries > 0

    @property
    def slope(self) -> float | None:
        """The queries for each update on the line, negative if it falls; None if there is no line or it is vertical."""
        return -self.updates / self.queries if self.exists and self.queries else None

    @property
    def offset(self) -> float | None:
        """The queries a day on the line at no updates; negative if the line starts further right. None as `slope`."""
        return -self.storage / self.queries if self.exists and self.queries else None

    @property
    def cheaper_above(self) -> Strategy | None:
        """The strategy that is cheaper above the line; None if there is no line or if queries cost the same."""
        if not self.exists or not self.queries:
            return None
        return self.second if self.queries > 0 else self.first

    @property
    def always_cheaper(self) -> Strategy | None:
        """The strategy that is cheaper at every workload; None if the line exists or if all costs are equal."""
        if self.exists or not (self.updates or self.queries or self.storage):
            return None
        return self.second if max(self.updates, self.queries, self.storage) > 0 else self.first

    def queries_at(self, updates: float) -> float | None:
        """Return the queries a day on the line at this many updates a day; None if the line does not reach there."""
        if self.slope is None or self.offset is None:
            return None
        queries = self.slope * updates + self.offset
        return queries if queries > 0 else None

    def updates_at(self, queries: float) -> float | None:
        """Return the updates a day on the line at this many queries a day; None if the line does not reach there."""
        if not self.exists or not self.updates:
            return None
        updates = -(self.queries * queries + self.storage) / self.updates
        return updates if updates > 0 else None


@dataclass(frozen=True, slots=True)
class SlopeRange:
    """The slopes that the least and the greatest measured costs allow; `sure` if the line rises for all of them.

    Otherwise the two are no bounds: between costs that cross and costs that do not, the slope grows without limit.
    """

    least: float | None
    greatest: float | None
    sure: bool


def cross(first: UnitCosts, second: UnitCosts) -> Crossing:
    """Return the crossing computed from the median unit costs."""
    return Crossing(
        first.strategy,
        second.strategy,
        first.update.median - second.update.median,
        first.query.median - second.query.median,
        first.storage_a_day - second.storage_a_day,
    )


def slope_range(first: UnitCosts, second: UnitCosts) -> SlopeRange:
    """Return the range over each cost at its least and its greatest, independently: wider than what is likely."""
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
    """Return every pair of them once."""
    return list(combinations(costs, 2))


def _differences(first: Band, second: Band) -> tuple[float, float]:
    return first.least - second.greatest, first.greatest - second.least
