"""The chart that a person moves over says what the command says."""

import json
import re

import pytest

from lorag.service.page.break_even_view import BOTTOM, HEIGHT, LEFT, RIGHT, STEPS, TOP, WIDTH, Region, draw_chart
from tests.costs.measured import ANSWERS, CHART, found


def area(region: Region) -> float:
    runs = re.findall(r"h([\d.]+)v([\d.]+)", region.path)
    return sum(float(wide) * float(high) for wide, high in runs)


def test_the_regions_fill_the_plot_and_lie_where_the_grid_says() -> None:
    chart = draw_chart(found(), CHART, 0, 0)
    assert chart is not None
    regions = {region.strategy: region for region in chart.regions}
    assert set(regions) == {"rag", "tuned"}
    whole = (WIDTH - LEFT - RIGHT) * (HEIGHT - TOP - BOTTOM)
    assert sum(map(area, chart.regions)) == pytest.approx(whole, rel=0.15)
    assert regions["tuned"].x < regions["rag"].x and regions["tuned"].y < regions["rag"].y


@pytest.mark.parametrize(("updates_at", "queries_at"), [(0, STEPS), (STEPS, 0), (STEPS // 2, STEPS // 2)])
def test_a_workload_is_priced_as_by_the_command(updates_at: int, queries_at: int) -> None:
    result = found()
    chart = draw_chart(result, CHART, updates_at, queries_at)
    assert chart is not None
    shown = [cost for cost in result.costs if cost.strategy in result.grid.strategies]
    cheapest = min(shown, key=lambda cost: cost.a_day(chart.updates, chart.queries)).strategy
    assert [cost.strategy for cost in chart.costs if cost.is_cheapest] == [cheapest]
    # The script computes with the same unit costs.
    data = json.loads(chart.data)
    for cost in result.costs:
        update, query, storage = data["costs"][cost.strategy]
        a_day = chart.updates * update + chart.queries * query + storage
        assert a_day == pytest.approx(cost.a_day(chart.updates, chart.queries))


def test_the_ends_of_the_sliders_are_the_ends_of_the_axes() -> None:
    first, last = draw_chart(found(), CHART, 0, 0), draw_chart(found(), CHART, STEPS, STEPS)
    assert first is not None and last is not None
    assert (first.updates, last.updates) == pytest.approx(CHART.updates_per_day)
    assert (first.x, first.y, last.x, last.y) == pytest.approx((LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, TOP))
    assert all(tick.label.rstrip("kM") for tick in (*first.updates_ticks, *first.queries_ticks))


def test_without_updates_there_is_no_chart() -> None:
    assert draw_chart(found(ANSWERS), CHART, 0, 0) is None
