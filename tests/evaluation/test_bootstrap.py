import numpy as np
import pytest

from lorag.evaluation.bootstrap import Bootstrap, Part, share_interval

BOOTSTRAP = Bootstrap(samples=400, confidence=0.95, seed=7)


def parts(values: list[float], prefix: str = "f") -> list[Part]:
    return [Part(f"{prefix}{at}", value) for at, value in enumerate(values)]


def test_the_value_is_the_mean_and_the_interval_holds_it() -> None:
    found = BOOTSTRAP.estimate(parts([1, 0, 1, 1, 0, 0, 1, 1]))
    assert found is not None
    assert (found.value, found.n) == (0.625, 8)
    assert 0 < found.low < found.value < found.high <= 1


def test_the_same_again_and_whatever_the_order() -> None:
    values = [1.0, 0.0, 0.5, 1.0, 0.0]
    given = parts(values)
    assert BOOTSTRAP.estimate(given) == BOOTSTRAP.estimate(list(reversed(given)))
    assert Bootstrap(400, 0.95, 8).estimate(given) != BOOTSTRAP.estimate(given)


def test_nothing_to_divide_by() -> None:
    assert BOOTSTRAP.estimate([]) is None
    assert BOOTSTRAP.estimate([Part("a", 0, 0)]) is None
    assert BOOTSTRAP.difference(parts([1.0]), []) is None


def test_a_ratio_of_sums_is_no_mean_of_ratios() -> None:
    found = BOOTSTRAP.estimate([Part("a", 1, 1), Part("b", 0, 3)])
    assert found is not None and found.value == 0.25


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_interval_covers_the_truth_as_often_as_it_says(confidence: float) -> None:
    truth, rng = 0.3, np.random.default_rng(1)
    covered = 0
    for seed in range(300):
        found = Bootstrap(300, confidence, seed).estimate(parts(list(rng.binomial(1, truth, size=120).astype(float))))
        assert found is not None
        covered += found.low <= truth <= found.high
    assert confidence - 0.06 <= covered / 300 <= confidence + 0.05


def test_answers_on_one_fact_are_drawn_together() -> None:
    values = list(np.random.default_rng(3).binomial(1, 0.5, size=40).astype(float))
    alone = BOOTSTRAP.estimate(parts(values))
    repeated = BOOTSTRAP.estimate([part for part in parts(values) for _ in range(5)])
    assert alone is not None and repeated is not None
    assert (repeated.value, repeated.low, repeated.high) == (alone.value, alone.low, alone.high)
    assert repeated.n == 200


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    rng = np.random.default_rng(5)
    hard = rng.uniform(size=200)
    left = parts(list((hard < 0.6).astype(float)))
    right = parts(list((hard < 0.5).astype(float)))
    difference = BOOTSTRAP.difference(left, right)
    one, other = BOOTSTRAP.estimate(left), BOOTSTRAP.estimate(right)
    assert difference is not None and one is not None and other is not None
    assert difference.value == pytest.approx(one.value - other.value, abs=1e-6)
    assert difference.low > 0, "the same facts are hard for both"
    assert one.low < other.high, "which the two intervals by themselves would not show"


def test_a_share_of_few_is_uncertain_also_where_all_are_alike() -> None:
    """By hand: Wilson's interval of 0 of 9 ends at z^2 / (n + z^2)."""
    none = share_interval(0, 9, 0.95)
    assert (none.value, none.low, none.n) == (0.0, 0.0, 9)
    assert none.high == pytest.approx(1.959964**2 / (9 + 1.959964**2), abs=1e-6)
    for value in (0.0, 1.0):
        drawn, alike = BOOTSTRAP.estimate(parts([value] * 9)), share_interval(round(9 * value), 9, 0.95)
        assert drawn == alike and alike.low < alike.high
    half = share_interval(10, 20, 0.95)
    assert (half.low, half.high) == pytest.approx((0.299298, 0.700702), abs=1e-6)
