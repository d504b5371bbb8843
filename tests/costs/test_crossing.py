import math

import pytest

from lorag.costs.break_even import fill_grid
from lorag.costs.crossing import Crossing, cross, slope_range
from lorag.costs.unit_costs import Band, UnitCosts
from lorag.params import BreakEvenParams
from lorag.strategies import Strategy

CHART = BreakEvenParams(
    updates_per_day=(0.01, 1000.0),
    queries_per_day=(1.0, 1e6),
    points=31,
    strategies=("rag", "tuned"),
    min_accuracy=0.0,
)


def costs(strategy: Strategy, update: float, query: float, storage: float = 0.0, spread: float = 0.0) -> UnitCosts:
    bands = (Band(value * (1 - spread), value, value * (1 + spread)) for value in (update, query))
    return UnitCosts(strategy, *bands, storage)


RAG, TUNED = costs("rag", 1.0, 0.003), costs("tuned", 60.0, 0.001)


def test_one_update_saved_pays_for_as_many_dearer_queries() -> None:
    line = cross(RAG, TUNED)
    # 59 more for an update against 0.002 less for a query.
    assert line.slope == pytest.approx(29_500)
    assert line.offset == 0
    assert line.cheaper_above == "tuned"
    assert line.queries_at(2) == pytest.approx(59_000)
    assert line.updates_at(59_000) == pytest.approx(2)


def test_the_order_of_the_two_changes_nothing() -> None:
    one, other = cross(RAG, TUNED), cross(TUNED, RAG)
    assert one.slope == pytest.approx(other.slope)
    assert one.cheaper_above == other.cheaper_above == "tuned"


@pytest.mark.parametrize(
    ("first", "second", "cheaper"),
    [
        (costs("rag", 1, 1), costs("tuned", 2, 2), "rag"),
        (costs("rag", 1, 2), costs("tuned", 1, 1), "tuned"),
        (costs("rag", 1, 1), costs("tuned", 1, 1), None),
        (costs("rag", 1, 1, storage=1), costs("tuned", 1, 1), "tuned"),
        (costs("rag", 1, 1, storage=1), costs("tuned", 2, 2, storage=2), "rag"),
    ],
    ids=["dearer in both", "equal in one, dearer in the other", "equal", "storage alone", "dearer in all"],
)
def test_without_a_line_one_is_always_cheaper(first: UnitCosts, second: UnitCosts, cheaper: str | None) -> None:
    line = cross(first, second)
    assert not line.exists
    assert line.slope is None
    assert line.queries_at(1) is None
    assert line.updates_at(1) is None
    assert line.cheaper_above is None
    assert line.always_cheaper == cheaper


@pytest.mark.parametrize(
    ("line", "at_one_update"),
    [
        (Crossing("rag", "tuned", updates=-5, queries=0.1, storage=1), 40),
        (Crossing("rag", "tuned", updates=-5, queries=0.1, storage=6), None),
        (Crossing("rag", "tuned", updates=5, queries=0.1, storage=-10), 50),
        (Crossing("rag", "tuned", updates=5, queries=0.1, storage=-2), None),
    ],
    ids=["storage shifts the line", "it starts further right", "it falls from the axis", "it has fallen to zero"],
)
def test_storage_moves_the_line(line: Crossing, at_one_update: float | None) -> None:
    assert line.exists
    assert line.queries_at(1) == (None if at_one_update is None else pytest.approx(at_one_update))


def test_a_line_at_one_number_of_updates_stands_upright() -> None:
    line = Crossing("rag", "tuned", updates=-2, queries=0, storage=6)
    assert line.exists
    assert line.slope is None
    assert line.updates_at(1) == line.updates_at(1e6) == pytest.approx(3)


@pytest.mark.parametrize(
    "second", [TUNED, costs("tuned", 60, 0.001, storage=50), costs("tuned", 0.5, 0.01, storage=-3)]
)
def test_the_closed_form_is_where_the_cheapest_of_the_grid_changes(second: UnitCosts) -> None:
    line = cross(RAG, second)
    grid = fill_grid([RAG, second], CHART)
    compared = 0
    for queries, row in zip(grid.queries, grid.cheapest, strict=True):
        for updates, cheapest in zip(grid.updates, row, strict=True):
            border = line.queries_at(updates)
            if border is None or math.isclose(queries, border, rel_tol=1e-9):
                continue
            below = next(name for name in ("rag", "tuned") if name != line.cheaper_above)
            assert cheapest == (line.cheaper_above if queries > border else below)
            compared += 1
    assert compared > 100


def test_the_range_of_a_slope_covers_each_cost_at_its_least_and_its_greatest() -> None:
    first, second = costs("rag", 1.0, 0.003, spread=0.1), costs("tuned", 60.0, 0.001, spread=0.1)
    found = slope_range(first, second)
    assert found.sure
    assert found.least == pytest.approx((54 - 1.1) / (0.0033 - 0.0009))
    assert found.greatest == pytest.approx((66 - 0.9) / (0.0027 - 0.0011))


def test_a_line_by_storage_alone_falls_and_is_no_break_even() -> None:
    line = cross(costs("tuned", 1, 0.01, storage=2e-5), costs("hybrid", 2, 0.02, storage=1e-5))
    assert line.falls and line.cheaper_above == "tuned"
    assert line.offset == pytest.approx(0.001)
    assert not cross(RAG, TUNED).falls
    spread = slope_range(
        costs("tuned", 1, 0.01, storage=2e-5, spread=0.5), costs("hybrid", 2, 0.02, storage=1e-5, spread=0.5)
    )
    assert not spread.sure, "with some costs the line rises, with some it falls"


def test_a_line_that_the_spread_of_the_costs_may_undo_is_not_sure() -> None:
    found = slope_range(costs("rag", 1, 0.0011, spread=0.2), costs("tuned", 60, 0.001, spread=0.2))
    assert not found.sure
    assert found.least is not None
