"""A followed plan beside what a made ledger holds since."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from lorag.console.plan import show_check
from lorag.costs.followed import Followed, policy_in_force
from lorag.costs.ledger import SERVED, EntryKind, Extent, Ledger, LedgerEntry, Outcome
from lorag.costs.plan import Demand
from lorag.costs.plan_check import Beside, PlanCheck, compare_with, find_passed
from lorag.costs.policies import Policy, Share
from lorag.costs.records import Cost, Use
from lorag.costs.unit_costs import Band
from lorag.params import PolicyParams, RetrainParams
from lorag.strategies import AdapterKind, Strategy
from tests.costs.measured import PRICES

FOLLOWED = Followed(
    since_utc="2026-11-01T18:00:00+00:00",
    release="000002-abc",
    demand=Demand(2, 100, min_accuracy=0.8),
    policy=Policy(Strategy.HYBRID, every=2),
    currency="EUR",
    prices=PRICES,
    cost_a_day=Band(3, 4, 5),
    update=Band(1, 1.5, 2),
    query=Band(0.01, 0.01, 0.01),
    storage_a_day=0.0,
    retrains_per_update=0.5,
    accuracy=Share(0.84, 0.8, 0.88),
    update_s=100,
    fresh_s=30,
)
NOW = datetime(2026, 11, 12, tzinfo=UTC)


def entry(kind: EntryKind, day: int, money: float, **more: object) -> LedgerEntry:
    started = f"2026-11-{day:02}T06:00:00+00:00"
    cost = Cost(Use(wall_s=50), money, "EUR")
    return LedgerEntry(kind, None, f"{kind}{day}", None, started, cost, **more)  # type: ignore[arg-type]


def refresh(day: int) -> LedgerEntry:
    return entry(EntryKind.REFRESH, day, 0.5, extent=Extent.INCREMENTAL, outcome=Outcome.PUBLISHED)


def retrain(day: int, strategy: Strategy, outcome: Outcome = Outcome.PUBLISHED) -> LedgerEntry:
    found = entry(EntryKind.RETRAIN, day, 2.0, extent=Extent.INCREMENTAL, outcome=outcome)
    return replace(found, strategy=strategy)


def answers(day: int, strategy: Strategy, n: int, source: str = SERVED) -> LedgerEntry:
    found = entry(EntryKind.ANSWERS, day, 0.02 * n, n_queries=n, source=source, quality={"accuracy": 0.9})
    return replace(found, strategy=strategy)


LEDGER = Ledger(
    (
        answers(11, Strategy.HYBRID, 300),
        retrain(10, Strategy.TUNED),
        retrain(9, Strategy.HYBRID, Outcome.REFUSED),
        *(refresh(day) for day in (9, 8, 5, 3)),
        retrain(4, Strategy.HYBRID),
        answers(3, Strategy.RAG, 100),
        # Before the first whole day, so neither counts.
        refresh(1),
        answers(1, Strategy.HYBRID, 7),
    )
)


def rows(ledger: Ledger = LEDGER) -> dict[str, Beside]:
    passed = find_passed(ledger, FOLLOWED, NOW)
    assert passed is not None
    return {row.what: row for row in compare_with(FOLLOWED, passed, 0, None)}


def test_each_figure_stands_beside_the_predicted_one() -> None:
    passed = find_passed(LEDGER, FOLLOWED, NOW)
    assert passed is not None and passed.days == 10, "from the first midnight on"
    assert (passed.n_updates, passed.n_queries, passed.n_retrains) == (4, 400, 2), "a refused retrain was due too"
    found = rows()
    assert (found["updates a day"].real, found["updates a day"].ratio) == (0.4, pytest.approx(0.2))
    assert found["queries a day"].real == 40
    # 4 refreshes, 2 retrains, and 300 questions by hybrid; those of rag and the retrain of tuned are others'.
    assert found["cost a day"].real == pytest.approx((4 * 0.5 + 2 * 2.0 + 300 * 0.02) / 10)
    assert found["cost a day, predicted for the real load"].predicted == pytest.approx(0.4 * 1.5 + 40 * 0.01)
    assert found["an update"].real == pytest.approx((4 * 0.5 + 2 * 2.0) / 4)
    assert (found["1,000 questions"].predicted, found["1,000 questions"].real) == (10, pytest.approx(20))
    assert found["retrains an update"].ratio == pytest.approx(1.0)
    assert found["time of an update"].real == pytest.approx(6 * 50 / 4)
    assert found["right answers"].real == 0.9
    assert (found["time to fresh"].real, found["time to fresh"].do) == (None, "lorag timeline")
    assert sum(one.cost.money for one in passed.others) == pytest.approx(2.0 + 100 * 0.02)


def test_a_strategy_that_does_not_read_pays_for_no_refresh() -> None:
    passed = find_passed(LEDGER, replace(FOLLOWED, policy=Policy(Strategy.TUNED, every=1)), NOW)
    assert passed is not None and passed.updates == ()
    assert sum(one.kind is EntryKind.REFRESH for one in passed.others) == 4


def test_before_the_first_whole_day_there_is_nothing_to_compare() -> None:
    assert find_passed(LEDGER, FOLLOWED, datetime(2026, 11, 1, 23, tzinfo=UTC)) is None


def test_without_any_work_nothing_is_made_up() -> None:
    found = rows(Ledger())
    assert found["cost a day"].real == 0 and found["an update"].real is None and found["an update"].ratio is None
    assert found["right answers"].real is None and found["right answers"].do == "lorag compare"


def test_the_record_comes_back_as_it_was() -> None:
    assert Followed.from_json(json.loads(json.dumps(FOLLOWED.to_json()))) == FOLLOWED


NEVER = RetrainParams(every_updates=None, every_days=None, from_share=None, removed=True)


@pytest.mark.parametrize(
    ("strategy", "rule", "policy"),
    [
        (None, {}, None),
        (Strategy.RAG, {"every_days": 7}, Policy(Strategy.RAG)),
        (Strategy.HYBRID, {}, Policy(Strategy.HYBRID)),
        (Strategy.HYBRID, {"every_days": 7}, Policy(Strategy.HYBRID, every=14)),
        (Strategy.HYBRID, {"every_updates": 4, "every_days": 7}, Policy(Strategy.HYBRID, every=4)),
        (Strategy.HYBRID, {"from_share": 0.1}, Policy(Strategy.HYBRID, share=0.1)),
    ],
)
def test_the_policy_in_force_is_that_of_params_at_the_load(
    strategy: Strategy | None, rule: dict[str, float], policy: Policy | None
) -> None:
    rules = {AdapterKind.TUNED: NEVER, AdapterKind.HYBRID: NEVER.model_copy(update=rule)}
    params = PolicyParams(strategy=strategy, retrain=rules)
    assert policy_in_force(params, 2) == policy
    if policy and not rule.get("every_days"):
        values = policy.values
        kept = {kind.value: rules[kind].model_dump() | values.get("retrain", {}).get(kind, {}) for kind in AdapterKind}
        assert policy_in_force(PolicyParams.model_validate({**values, "retrain": kept}), 9) == policy


def test_a_person_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    passed = find_passed(LEDGER, FOLLOWED, NOW)
    assert passed is not None
    figures = tuple(compare_with(FOLLOWED, passed, 0, None))
    check = PlanCheck(FOLLOWED, passed, figures, "rag, nothing is trained for it", False, None, "nothing is known")
    show_check(json.loads(json.dumps(check.to_json(), allow_nan=False)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Followed since 2026-11-01 18:00 UTC: `hybrid, every 2`."
    assert lines[2] == "That is not what was followed: params.yaml was changed since."
    assert any("4 updates, 2 retrains, 400 questions" in line for line in lines)
    assert any(
        line.replace("│", " ").split()[-3:] == ["4", "1.2", "0.3"] for line in lines if "cost a day, EUR" in line
    )
    assert lines[-1] == "No choice by the real load: nothing is known."
