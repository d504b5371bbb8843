"""What the service answered: added up by day, as entries of the ledger, and as the traffic that advice uses."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from lorag.costs.ledger import SERVED, EntryKind, Extent, Ledger, LedgerEntry, Outcome, summarise
from lorag.costs.records import Cost, Use
from lorag.costs.served import ServedAnswers, Traffic, add_up, find_traffic
from lorag.costs.unit_costs import MIN_SERVED, Unit, measure, unit_costs
from lorag.strategies import Strategy
from tests.costs.measured import FAST, NOTHING_STORED, PRICES, SLOW, entry

TODAY = date(2030, 1, 20)


def answers(day: str, n: int = 1, *, cpu_s: float = 1.0, settings: str = "a", strategy: str = "rag") -> ServedAnswers:
    cost = Cost(Use(wall_s=2.0 * n, cpu_s=cpu_s * n, tokens_prompt=10 * n), 0.1 * n, "EUR", SLOW)
    return ServedAnswers(day, "000001-a", Strategy(strategy), settings, n, cost)


def test_answers_of_one_day_release_strategy_and_settings_are_added_up() -> None:
    one, other = answers("2030-01-02"), answers("2030-01-03")
    added = add_up([one, other, one, answers("2030-01-02", settings="b"), one])
    assert [(each.day, each.settings, each.n) for each in added] == [
        ("2030-01-02", "a", 3),
        ("2030-01-03", "a", 1),
        ("2030-01-02", "b", 1),
    ]
    assert (added[0].cost.use.cpu_s, added[0].cost.use.tokens_prompt) == (3.0, 30)
    assert ServedAnswers.from_json(added[0].to_json()) == added[0]
    read = added[0].entry()
    assert (read.kind, read.n_queries, read.source, read.started_utc[:10]) == ("answers", 3, SERVED, "2030-01-02")


@pytest.mark.parametrize(
    ("days_ago", "n_updates", "expected"),
    [
        ([], 3, None),
        ([40], 3, None),
        ([0], 0, Traffic(1, 6, 0)),
        ([4, 2], 2, Traffic(5, 12, 2)),
        # The window ends today, and begins 29 days before.
        ([40, 29, 0], 1, Traffic(30, 12, 1)),
    ],
    ids=["nothing served", "long ago", "since today", "since five days", "of the window"],
)
def test_the_traffic_is_that_of_the_days_since_the_first_answer(
    days_ago: list[int], n_updates: int, expected: Traffic | None
) -> None:
    refreshes = [
        entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.INCREMENTAL, outcome=Outcome.PUBLISHED),
        entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.INCREMENTAL, outcome=Outcome.REFUSED),
        entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.FULL, outcome=Outcome.PUBLISHED),
    ]
    recent = [_on(each, TODAY) for each in refreshes[:1] * n_updates + refreshes[1:]]
    older = _on(refreshes[0], TODAY - timedelta(days=60))
    served = [answers((TODAY - timedelta(days=ago)).isoformat(), 6).entry() for ago in days_ago]
    assert find_traffic(Ledger((*recent, older, *served)), TODAY) == expected


def _on(one: LedgerEntry, day: date) -> LedgerEntry:
    return replace(one, started_utc=day.isoformat())


@pytest.mark.parametrize(
    ("source", "n", "cost"),
    [
        ("streamed", MIN_SERVED, 1.0),
        ("streamed", MIN_SERVED - 1, 3.0),
        ("batch", MIN_SERVED, 3.0),
        (None, MIN_SERVED, 1.0),
    ],
    ids=["enough of them", "too few", "measured in another way", "of an unknown way"],
)
def test_what_a_question_cost_the_service_is_its_cost_where_it_can_be_compared(
    source: str | None, n: int, cost: float
) -> None:
    compared = entry(EntryKind.ANSWERS, "rag", cpu_s=300, n_queries=100, quality={"accuracy": 0.8}, source=source)
    refresh = entry(EntryKind.REFRESH, None, cpu_s=36, extent=Extent.INCREMENTAL)
    stale = answers("2029-12-01", 500, cpu_s=50.0, settings="earlier").entry()
    entries = [answers("2030-01-02", n).entry(), compared, refresh, stale]
    plain = Ledger(tuple(_without_machine(each) for each in entries))
    (rag,) = (one for one in measure(plain, NOTHING_STORED) if one.strategy == "rag")
    assert unit_costs(rag, Unit.SECONDS, PRICES).query.median == pytest.approx(cost)
    assert rag.n_served == (n if cost == 1.0 else 0) and rag.accuracy == 0.8 and rag.n_left_out == 0


def _without_machine(one: LedgerEntry) -> LedgerEntry:
    return replace(one, cost=replace(one.cost, machine=None))


def test_the_service_does_not_decide_which_machine_counts() -> None:
    served = answers("2030-01-02").entry()
    trained = entry(EntryKind.RETRAIN, "tuned", cpu_s=1, extent=Extent.FULL, machine=FAST)
    ledger = Ledger((served, trained)).on_newest_machine()
    assert ledger.entries == (trained,) and ledger.n_elsewhere == 1
    assert Ledger((served,)).on_newest_machine().entries == (served,)


def test_answers_of_the_service_have_a_row_of_their_own() -> None:
    compared = entry(EntryKind.ANSWERS, "rag", cpu_s=3, n_queries=1, machine=SLOW, source="streamed")
    assert [(one.source, one.n_queries) for one in summarise([answers("2030-01-02", 4).entry(), compared])] == [
        (None, 1),
        (SERVED, 4),
    ]
