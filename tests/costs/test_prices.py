import pytest

from lorag.costs.energy import estimate_kwh
from lorag.costs.prices import cost_of, price_of, price_storage
from lorag.costs.records import Cost, Use
from lorag.params import CostParams, PriceParams

FREE = {
    "cpu_hour": 0.0,
    "gpu_hour": 0.0,
    "kwh": 0.0,
    "storage_gb_month": 0.0,
    "million_input_tokens": 0.0,
    "million_output_tokens": 0.0,
}
USE = Use(
    wall_s=7200, cpu_s=1800, gpu_s=3600, kwh=2.0, tokens_prompt=3_000_000, tokens_generated=500_000, tokens_embedded=9
)


@pytest.mark.parametrize(
    ("prices", "money"),
    [
        ({}, 0.0),
        ({"cpu_hour": 0.04}, 0.02),
        ({"gpu_hour": 2.5}, 2.5),
        ({"kwh": 0.3}, 0.6),
        ({"million_input_tokens": 0.1}, 0.3),
        ({"million_output_tokens": 0.4}, 0.2),
        ({"storage_gb_month": 5.0}, 0.0),
        ({"cpu_hour": 0.04, "gpu_hour": 2.5, "kwh": 0.3, "million_input_tokens": 0.1}, 0.02 + 2.5 + 0.6 + 0.3),
    ],
)
def test_each_price_applies_to_its_own_use(prices: dict[str, float], money: float) -> None:
    assert price_of(USE, PriceParams(**FREE | prices)) == pytest.approx(money)


def test_storage_is_priced_by_the_month() -> None:
    assert price_storage(5_000_000_000, PriceParams(**FREE | {"storage_gb_month": 0.02})) == pytest.approx(0.1)


def test_metrics_carry_every_known_number_under_one_prefix() -> None:
    params = CostParams(currency="EUR", country="DEU", prices=PriceParams(**FREE | {"kwh": 0.3}))
    metrics = cost_of(USE, params).as_metrics()

    assert metrics["cost.money"] == pytest.approx(0.6)
    assert set(metrics) == {
        "cost.wall_s",
        "cost.cpu_s",
        "cost.gpu_s",
        "cost.peak_rss_mb",
        "cost.tokens_embedded",
        "cost.tokens_prompt",
        "cost.tokens_generated",
        "cost.tokens_trained",
        "cost.kwh",
        "cost.money",
        "cost.wh",
        "cost.cents",
    }, "what is not known is left out, not logged as 0"
    assert all(type(value) is float for value in metrics.values())


def test_json_keeps_what_is_not_known_as_none() -> None:
    assert Cost(USE, 1.5, "EUR").to_json()["bytes_written"] is None
    assert Cost(USE, 1.5, "EUR").to_json()["currency"] == "EUR"


def test_an_hour_of_a_core_is_its_watts_and_parts_add_up() -> None:
    assert estimate_kwh(3600, 0, 0, 0) == pytest.approx(0.004)
    assert estimate_kwh(0, 3600, 8e9 / 2**20, 0) == pytest.approx(0.003)
    assert estimate_kwh(0, 0, 0, 3.6e6) == pytest.approx(1.0)
    assert estimate_kwh(3600, 3600, 8e9 / 2**20, 3.6e6) == pytest.approx(1.007)
