import json

import pytest

from lorag.costs.ledger import (
    EntryKind,
    Extent,
    Ledger,
    LedgerEntry,
    Outcome,
    Spread,
    extent_of_refresh,
    extent_of_retrain,
    summarise,
)
from lorag.costs.records import Cost, Machine, Use
from lorag.strategies import Strategy
from tests.costs.measured import COSTS, FAST, SLOW, entry


@pytest.mark.parametrize(
    ("plan", "extent"),
    [
        ((0, 0, 0, 90), Extent.UNCHANGED),
        ((90, 0, 0, 0), Extent.FULL),
        ((1, 0, 0, 89), Extent.INCREMENTAL),
        ((0, 0, 1, 89), Extent.INCREMENTAL),
        ((0, 90, 0, 0), Extent.FULL),
    ],
    ids=["nothing to do", "first build", "one more", "one less", "every chunk replaced, as by another embedder"],
)
def test_the_extent_of_a_refresh_is_what_its_plan_kept(plan: tuple[int, int, int, int], extent: Extent) -> None:
    added, changed, removed, kept = plan
    assert extent_of_refresh(added=added, changed=changed, removed=removed, kept=kept) is extent


@pytest.mark.parametrize(
    ("tokens", "start", "extent"),
    [
        (0, None, Extent.UNCHANGED),
        (0, "0f3a", Extent.UNCHANGED),
        (9, None, Extent.FULL),
        (9, "0f3a", Extent.INCREMENTAL),
    ],
    ids=["nothing trained yet", "restored or up to date", "no adapter to continue", "continues one"],
)
def test_the_extent_of_a_retrain_is_what_it_started_from(tokens: int, start: str | None, extent: Extent) -> None:
    assert extent_of_retrain(tokens, start) is extent


def test_an_update_without_change_is_no_update_of_its_kind() -> None:
    entries = [
        entry(EntryKind.REFRESH, None, cpu_s=100, extent=Extent.FULL),
        entry(EntryKind.REFRESH, None, cpu_s=8, extent=Extent.INCREMENTAL),
        entry(EntryKind.REFRESH, None, cpu_s=12, extent=Extent.INCREMENTAL),
        entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.UNCHANGED),
        entry(EntryKind.ANSWERS, "rag", cpu_s=30, n_queries=10),
        entry(EntryKind.RETRAIN, "tuned", cpu_s=600, extent=Extent.FULL),
    ]
    summaries = summarise(entries)

    assert [(s.kind, s.extent, s.cpu_s.median) for s in summaries] == [
        (EntryKind.REFRESH, Extent.FULL, 100),
        (EntryKind.REFRESH, Extent.INCREMENTAL, 10),
        (EntryKind.REFRESH, Extent.UNCHANGED, 1),
        (EntryKind.RETRAIN, Extent.FULL, 600),
        (EntryKind.ANSWERS, None, 30),
    ]
    assert summaries[1].cpu_s == Spread(median=10, least=8, greatest=12, total=20)
    assert summaries[-1].n_queries == 10


def retrain(cpu_s: float, outcome: Outcome, extent: Extent | None = Extent.INCREMENTAL) -> LedgerEntry:
    return entry(EntryKind.RETRAIN, "tuned", cpu_s=cpu_s, extent=extent, outcome=outcome)


@pytest.mark.parametrize(
    ("oldest_first", "paid"),
    [
        ([retrain(50, Outcome.PUBLISHED)], [(50, Extent.INCREMENTAL)]),
        ([retrain(40, Outcome.REFUSED), retrain(50, Outcome.PUBLISHED)], [(90, Extent.INCREMENTAL)]),
        (
            [retrain(40, Outcome.FAILED), retrain(3, Outcome.PUBLISHED, Extent.UNCHANGED)],
            [(43, Extent.INCREMENTAL)],
        ),
        (
            [
                retrain(9, Outcome.FAILED, None),
                retrain(40, Outcome.FAILED, Extent.FULL),
                retrain(1, Outcome.CURRENT, Extent.UNCHANGED),
                retrain(50, Outcome.PUBLISHED, Extent.FULL),
                retrain(60, Outcome.PUBLISHED),
            ],
            [(1, Extent.UNCHANGED), (99, Extent.FULL), (60, Extent.INCREMENTAL)],
        ),
        ([retrain(50, Outcome.PUBLISHED), retrain(40, Outcome.REFUSED)], [(50, Extent.INCREMENTAL)]),
    ],
    ids=[
        "at the first try",
        "refused once",
        "killed after the training, which the next run then publishes",
        "what changed nothing is no update that came of the tries",
        "no update came of it yet",
    ],
)
def test_an_update_costs_what_its_tries_took(oldest_first: list[LedgerEntry], paid: list[tuple[float, Extent]]) -> None:
    updates = Ledger(tuple(reversed(oldest_first))).updates(EntryKind.RETRAIN, Strategy.TUNED)
    assert [(one.cost.use.cpu_s, one.extent) for one in reversed(updates)] == paid


def test_what_a_retrain_embedded_is_part_of_the_refresh_that_follows() -> None:
    ahead = entry(EntryKind.REFRESH, None, cpu_s=0, use=Use(cpu_s=7, tokens_embedded=900), outcome=Outcome.AHEAD)
    refresh = entry(EntryKind.REFRESH, None, cpu_s=4, extent=Extent.INCREMENTAL, outcome=Outcome.PUBLISHED)
    (update,) = Ledger((refresh, ahead)).updates(EntryKind.REFRESH, None)
    assert (update.cost.use.cpu_s, update.cost.use.tokens_embedded) == (11, 900)


def test_tries_that_came_to_nothing_have_a_total_of_their_own() -> None:
    totals = summarise([retrain(40, Outcome.REFUSED), retrain(50, Outcome.PUBLISHED)])
    assert {(one.outcome, one.cpu_s.total) for one in totals} == {(Outcome.REFUSED, 40), (None, 50)}


def test_money_of_two_currencies_is_not_added_up() -> None:
    euros = entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.FULL)
    dollars = entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.FULL, currency="USD")
    assert [(s.currency, s.count) for s in summarise([euros, dollars])] == [("EUR", 1), ("USD", 1)]


def test_bytes_that_no_machine_told_stay_unknown() -> None:
    (summary,) = summarise([entry(EntryKind.REFRESH, None, cpu_s=1)])
    assert summary.bytes_written is None
    assert summary.to_json()["bytes_written"] is None


def test_answers_that_were_logged_again_count_once_and_equal_updates_count_each() -> None:
    def batch(cpu_s: float) -> LedgerEntry:
        return entry(EntryKind.ANSWERS, "rag", cpu_s=cpu_s, n_queries=10)

    again, other, first = batch(30), batch(31), batch(30)
    updates = [entry(EntryKind.REFRESH, None, cpu_s=30), entry(EntryKind.REFRESH, None, cpu_s=30)]
    ledger = Ledger((again, other, *updates, first)).without_repeats()
    assert ledger.entries == (other, *updates, first), "the oldest stays"
    assert ledger.n_repeated == 1


def test_repricing_keeps_the_use_and_takes_the_price_book() -> None:
    ledger = Ledger((entry(EntryKind.REFRESH, None, cpu_s=3600, money=99.0, currency="USD"),))
    (repriced,) = ledger.repriced(COSTS).entries
    assert repriced.cost == Cost(Use(wall_s=3600, cpu_s=3600), 0.04, "EUR")


def test_a_cost_comes_back_from_its_metrics() -> None:
    cost = Cost(Use(1.0, 2.0, 0.0, 300.0, None, 5, 6, 7, 8, 0.1, None), 0.5, "EUR")
    assert Cost.from_metrics(cost.as_metrics(), "EUR") == cost
    assert Cost.from_metrics({"probe.new_facts": 0.5}, "EUR") is None


def test_an_entry_comes_back_from_its_json() -> None:
    answers = entry(EntryKind.ANSWERS, Strategy.RAG, cpu_s=6, n_queries=4, source="batch", quality={"accuracy": 0.5})
    refresh = entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.INCREMENTAL, machine=FAST)
    for one in (answers, refresh):
        assert LedgerEntry.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_an_entry_of_an_earlier_version_has_no_machine() -> None:
    value = entry(EntryKind.REFRESH, None, cpu_s=1, machine=FAST).to_json()
    del value["cost"]["machine"]
    assert LedgerEntry.from_json(value).cost.machine is None


@pytest.mark.parametrize(
    ("newest", "machine"),
    [
        (entry(EntryKind.REFRESH, None, cpu_s=9, extent=Extent.INCREMENTAL, machine=SLOW), SLOW),
        (entry(EntryKind.ANSWERS, "rag", cpu_s=9, n_queries=9, machine=SLOW), SLOW),
        (entry(EntryKind.REFRESH, None, cpu_s=9, outcome=Outcome.FAILED, machine=SLOW), FAST),
        (entry(EntryKind.REFRESH, None, cpu_s=9, extent=Extent.UNCHANGED, machine=SLOW), FAST),
        (entry(EntryKind.ANSWERS, "rag", cpu_s=9, n_queries=5, is_look=True, machine=SLOW), FAST),
    ],
    ids=["an update", "a batch of answers", "an update that failed", "an update of nothing", "some questions only"],
)
def test_the_newest_entry_that_is_a_figure_decides_on_the_machine(newest: LedgerEntry, machine: Machine) -> None:
    older = [entry(EntryKind.REFRESH, None, cpu_s=1, extent=Extent.FULL, machine=one) for one in (FAST, SLOW)]
    ledger = Ledger((newest, *older)).on_newest_machine()
    assert {one.cost.machine for one in ledger.entries} == {machine}
    assert len(ledger.entries) + ledger.n_elsewhere == 3
    assert ledger.on_newest_machine() == ledger


def test_without_a_figure_the_newest_entry_decides_on_the_machine() -> None:
    failed = [entry(EntryKind.REFRESH, None, cpu_s=1, outcome=Outcome.FAILED, machine=one) for one in (SLOW, FAST)]
    assert Ledger(tuple(failed)).on_newest_machine().entries == (failed[0],)
    assert Ledger().on_newest_machine() == Ledger()


def test_a_total_holds_the_entries_of_one_machine() -> None:
    entries = [entry(EntryKind.REFRESH, None, cpu_s=cpu, machine=one) for cpu, one in ((1, FAST), (9, SLOW), (7, SLOW))]
    found = {one.machine: one.cpu_s.median for one in summarise(entries)}
    assert found == {FAST: 1, SLOW: 8}


def test_a_sum_of_two_machines_has_none() -> None:
    fast, slow = (Cost(Use(cpu_s=1.0), 0.1, "EUR", machine) for machine in (FAST, SLOW))
    assert fast.plus(fast).machine == FAST
    assert fast.plus(slow).machine is None
