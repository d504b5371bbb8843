import pytest

from lorag.costs.due import Held, Look, Since, When, find_due, hold
from lorag.costs.ledger import EntryKind, Extent, Ledger
from lorag.costs.pending import Action, PendingAdvice, advise_change
from lorag.costs.unit_costs import StoredBytes, measure
from lorag.knowledge.changes import CorpusChanges
from lorag.params import PolicyParams, RetrainParams
from lorag.strategies import AdapterKind
from tests.costs.measured import entry

NONE = CorpusChanges((), (), (), ())
EDITED = CorpusChanges((), ("a",), (), ())
TUNED, HYBRID = AdapterKind.TUNED, AdapterKind.HYBRID
WEEKLY = RetrainParams(every_updates=None, every_days=7, from_share=0.1, removed=True)
POLICY = PolicyParams(strategy=None, retrain={TUNED: WEEKLY, HYBRID: WEEKLY.model_copy(update={"from_share": None})})
TODAY = Since(0, 0)
LEDGER = Ledger(
    (
        entry(EntryKind.REFRESH, None, cpu_s=20, money=0.001, extent=Extent.INCREMENTAL),
        entry(EntryKind.RETRAIN, "tuned", cpu_s=600, money=0.04, extent=Extent.FULL),
    )
)


def ask(changes: CorpusChanges, *held: Held, params_changed: bool = False, ledger: Ledger = LEDGER) -> PendingAdvice:
    measured = measure(ledger, StoredBytes(0, {}))
    due = {one.kind: find_due(one, TODAY, POLICY) for one in held}
    return advise_change(changes, held, due, measured, params_changed=params_changed)


def adapter(kind: AdapterKind, stale: int = 0, gone: int = 0, n_facts: int = 0, n_documents: int = 100) -> Held:
    names = [f"d{number}" for number in range(stale + gone)]
    return Held(kind, n_documents, tuple(names[:stale]), tuple(names[stale:]), 100, n_facts)


@pytest.mark.parametrize(
    ("changes", "held", "action", "when"),
    [
        (NONE, (), Action.NOTHING, {}),
        (EDITED, (), Action.INDEX_ONLY, {}),
        (EDITED, (adapter(TUNED),), Action.INDEX_ONLY, {TUNED: When.NOT}),
        (EDITED, (adapter(TUNED, stale=1),), Action.BOTH, {TUNED: When.SCHEDULED}),
        (EDITED, (adapter(TUNED, stale=10),), Action.BOTH, {TUNED: When.NOW}),
        (EDITED, (adapter(HYBRID, stale=90),), Action.BOTH, {HYBRID: When.SCHEDULED}),
        (EDITED, (adapter(HYBRID, gone=1),), Action.BOTH, {HYBRID: When.NOW}),
        (NONE, (adapter(TUNED, n_facts=3),), Action.SCHEDULE_RETRAIN, {TUNED: When.SCHEDULED}),
        (
            NONE,
            (adapter(TUNED, stale=20), adapter(HYBRID)),
            Action.SCHEDULE_RETRAIN,
            {TUNED: When.NOW, HYBRID: When.NOT},
        ),
    ],
    ids=[
        "nothing changed",
        "no adapter is served",
        "it never saw what changed",
        "little of what it knows changed",
        "much of what it knows changed",
        "hybrid reads it from the index",
        "weights hold what was removed",
        "another answer to a question",
        "the index was refreshed without a retrain",
    ],
)
def test_what_a_change_asks_for(
    changes: CorpusChanges, held: tuple[Held, ...], action: Action, when: dict[AdapterKind, When]
) -> None:
    advice = ask(changes, *held)
    assert advice.action is action
    assert advice.retrain == when


def test_other_params_ask_for_a_refresh() -> None:
    assert ask(NONE, params_changed=True).action is Action.INDEX_ONLY


def test_costs_come_from_the_ledger_with_their_run_and_what_it_lacks_is_named() -> None:
    advice = ask(EDITED, adapter(TUNED, stale=1), adapter(HYBRID, stale=1))
    costs = {finding.sentence: finding.run_id for finding in advice.findings if finding.run_id}
    assert costs == {
        "A refresh took 20 s and 0.001 EUR (median of 1).": LEDGER.entries[0].run_id,
        "A retrain of tuned took 10 min and 0.04 EUR (median of 1).": LEDGER.entries[1].run_id,
    }
    assert [one.do for one in advice.missing] == ["lorag retrain --adapter hybrid"]


def test_an_adapter_is_held_against_the_documents_of_now_whatever_release_is_served() -> None:
    trained_on = {"kept": "1", "edited": "2", "moved": "3", "removed": "4"}
    now = {"kept": "1", "edited": "22", "moved-here": "3", "new": "5"}

    held = hold(TUNED, trained_on, now, None, n_learned=9, n_facts=2)
    assert held == Held(TUNED, 4, stale=("edited",), gone=("removed",), n_learned=9, n_facts=2)


def test_what_a_retrain_has_looked_at_makes_no_other_due() -> None:
    trained_on = {"kept": "1", "edited": "2", "removed": "3"}
    now = {"kept": "1", "edited": "22"}
    looked = hold(HYBRID, trained_on, now, Look(now, {}), n_learned=9, n_facts=0)
    assert find_due(looked, TODAY, POLICY).when is When.NOT
    later = {"edited": "23"}
    again = hold(HYBRID, trained_on, later, Look(now, {}), n_learned=9, n_facts=0)
    assert (again.stale, again.gone) == (("edited",), ("kept",))
    assert find_due(again, TODAY, POLICY).when is When.NOW


def test_many_names_are_cut() -> None:
    (reason,) = (one.sentence for one in ask(NONE, adapter(TUNED, gone=5)).findings if "The weights" in one.sentence)
    assert reason == "The weights of tuned still contain removed documents: d0, d1, d2 and 2 more."
