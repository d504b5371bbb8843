"""Policies walked through made curves, and priced by the recorded ledger."""

import pytest

from lorag.costs.policies import Curve, Policy, Share, candidates, policies, simulate
from lorag.costs.unit_costs import StoredBytes, Unit, measure
from lorag.evaluation.curves import quality_by_age
from lorag.strategies import Strategy
from tests.costs.measured import PRICES
from tests.costs.recorded import recorded_comparison, recorded_ledger, recorded_timeline


def state(value: float) -> dict[str, Share]:
    return {"accuracy": Share(value, value - 0.1, value + 0.1)}


CURVE = Curve(state(0.9), (state(0.7), state(0.5), state(0.4)), (0.2, 0.35, 0.5))
COURSES = {
    "with every update": (Policy(Strategy.TUNED, every=1), 1, 1, 0.9),
    "with every second one": (Policy(Strategy.TUNED, every=2), 2, 1, (0.7 + 0.9) / 2),
    "with every fourth one, as far as was measured": (
        Policy(Strategy.TUNED, every=4),
        4,
        1,
        (0.7 + 0.5 + 0.4 + 0.9) / 4,
    ),
    "when the share is reached exactly": (Policy(Strategy.TUNED, share=0.35), 2, 1, (0.7 + 0.9) / 2),
    "when the share is passed": (Policy(Strategy.TUNED, share=0.3), 2, 1, (0.7 + 0.9) / 2),
    "whichever comes first": (Policy(Strategy.TUNED, every=3, share=0.3), 2, 1, (0.7 + 0.9) / 2),
    "never again": (Policy(Strategy.TUNED), 3, 0, (0.7 + 0.5 + 0.4) / 3),
    "without an adapter": (Policy(Strategy.RAG), 1, 0, 0.9),
}


@pytest.mark.parametrize("case", COURSES)
def test_what_a_policy_answers_on_the_way(case: str) -> None:
    policy, n_updates, n_retrains, right = COURSES[case]
    course = simulate(policy, CURVE)
    assert course is not None
    assert (course.n_updates, course.n_retrains) == (n_updates, n_retrains)
    assert course.right["accuracy"].value == pytest.approx(right)
    assert course.right["accuracy"].low == pytest.approx(right - 0.1), "the mean of the bounds"
    assert course.repeats == (case != "never again")


UNMEASURED = {
    "older than any that was asked": (Policy(Strategy.TUNED, every=5), CURVE),
    "a share that no walk reached": (Policy(Strategy.TUNED, share=0.6), CURVE),
    "a share that nobody counted so far": (Policy(Strategy.TUNED, share=0.3), Curve(state(0.9), CURVE.aged, (0.2,))),
    "no retrain was due": (Policy(Strategy.TUNED, every=1), Curve({}, CURVE.aged, CURVE.changed)),
    "no old adapter was asked": (Policy(Strategy.TUNED), Curve(state(0.9))),
}


@pytest.mark.parametrize("case", UNMEASURED)
def test_what_was_not_measured_is_not_guessed(case: str) -> None:
    assert simulate(*UNMEASURED[case]) is None


def test_the_policies_are_those_that_the_curves_can_judge() -> None:
    named = [policy.name for policy in policies({Strategy.RAG: Curve(state(0.5)), Strategy.TUNED: CURVE}, 0.1)]
    assert named == ["rag", "tuned, every update", "tuned, every 2", "tuned, every 4", "tuned, at 10%", "tuned, once"]


def test_a_refused_retrain_costs_what_it_cost_and_is_one_that_was_due() -> None:
    curves = quality_by_age(recorded_timeline("sample"), recorded_comparison("sample"))
    measured = measure(recorded_ledger("sample"), StoredBytes(0, {}))
    found = {one.policy.name: one for one in candidates(measured, curves, 0.1, Unit.SECONDS, PRICES)}
    every, second, once = (found[name].costs for name in ("hybrid, every update", "hybrid, every 2", "hybrid, once"))
    assert every is not None and second is not None and once is not None
    # The walk paid 1648.1 and 1522.5 s for the two versions, a refresh of 25.6 and 29.0 s in each: the first retrain
    # was refused.
    assert every.update.median == pytest.approx((1648.11 + 1522.53) / 2, abs=0.5)
    assert once.update.median == pytest.approx((25.56 + 28.98) / 2, abs=0.01)
    assert second.update.median == pytest.approx((every.update.median + once.update.median) / 2, abs=0.5)
    # `break-even` prices the update that was served, with the refused attempt before it.
    served = next(one for one in measured if one.strategy is Strategy.HYBRID)
    assert [len(served.updates[1]), len(served.due)] == [1, 2]


def test_what_keeps_a_policy_from_being_priced_is_named() -> None:
    curves = quality_by_age(recorded_timeline("wikipedia"), None)
    found = candidates(measure(recorded_ledger("wikipedia"), StoredBytes(0, {})), curves, 0.1, Unit.MONEY, PRICES)
    assert {one.what for each in found for one in each.missing} == {
        f"a batch of answers by {strategy}" for strategy in Strategy
    }, "the walk asked in batches, which are in no ledger"
    assert all(one.course is not None and one.costs is None for one in found)
