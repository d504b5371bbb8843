"""When an adapter is due under the policy in force, and what is said of it."""

from typing import Any

import pytest

from lorag.costs.due import Held, Since, When, describe_rule, find_due, is_first_due
from lorag.params import PolicyParams, RetrainParams
from lorag.strategies import AdapterKind, Strategy

TUNED, HYBRID = AdapterKind.TUNED, AdapterKind.HYBRID
NEVER = RetrainParams(every_updates=None, every_days=None, from_share=None, removed=False)


def policy(strategy: Strategy | None = None, **rule: Any) -> PolicyParams:
    one = NEVER.model_copy(update=rule)
    return PolicyParams(strategy=strategy, retrain={TUNED: one, HYBRID: one})


def held(*, stale: int = 0, gone: int = 0, facts: int = 0, kind: AdapterKind = TUNED) -> Held:
    names = tuple(f"{number}.md" for number in range(20))
    return Held(kind, 20, names[:stale], names[:gone], 100, facts)


SHARE, REMOVED = policy(from_share=0.1), policy(removed=True)
CASES = {
    "a small share waits": (held(stale=1), Since(9, 9), SHARE, When.SCHEDULED),
    "the share of the documents is reached": (held(stale=2), Since(0, 0), SHARE, When.NOW),
    "new documents count by their facts": (held(facts=9), Since(0, 0), SHARE, When.SCHEDULED),
    "the share of the facts is reached": (held(facts=10), Since(0, 0), SHARE, When.NOW),
    "removed documents count for the share": (held(stale=1, gone=1), Since(0, 0), SHARE, When.NOW),
    "what is gone must leave the weights": (held(gone=1), Since(0, 0), REMOVED, When.NOW),
    "unless nobody asks for it": (held(gone=1), Since(9, 9), policy(), When.SCHEDULED),
    "with every update": (held(stale=1), Since(1, 0), policy(every_updates=1), When.NOW),
    "an update that it did not learn from": (held(), Since(1, 0), policy(every_updates=1), When.NOT),
    "before any update": (held(facts=1), Since(0, 0), policy(every_updates=1), When.SCHEDULED),
    "every second update": (held(stale=1), Since(1, 9), policy(every_updates=2), When.SCHEDULED),
    "the second update": (held(stale=1), Since(2, 0), policy(every_updates=2), When.NOW),
    "nobody counted the updates": (held(stale=1), Since(None, 0), policy(every_updates=9), When.NOW),
    "six days": (held(stale=1), Since(9, 6.4), policy(every_days=7), When.SCHEDULED),
    "a week, less the time of the last retrain": (held(stale=1), Since(0, 6.9), policy(every_days=7), When.NOW),
    "a week without a change": (held(), Since(0, 8), policy(every_days=7), When.NOT),
    "once": (held(stale=20, facts=100), Since(9, 99), policy(), When.SCHEDULED),
    "another strategy is run": (held(stale=20), Since(9, 99), policy(Strategy.HYBRID, every_updates=1), When.SCHEDULED),
    "it is the one that is run": (held(stale=1), Since(1, 0), policy(Strategy.TUNED, every_updates=1), When.NOW),
    "no adapter is run, and one holds what is gone": (
        held(gone=1),
        Since(0, 0),
        policy(Strategy.RAG, removed=True),
        When.NOW,
    ),
    "whichever comes first": (held(stale=2), Since(0, 0), policy(every_days=7, from_share=0.1), When.NOW),
}


@pytest.mark.parametrize("case", CASES)
def test_an_adapter_is_due(case: str) -> None:
    one, since, rules, when = CASES[case]
    assert find_due(one, since, rules).when is when


SAID = {
    "once": (policy(), Since(), "not retrained again"),
    "a share": (SHARE, Since(), "retrained when 10% of what it learned has changed (now 5%)"),
    "updates": (policy(every_updates=4), Since(1, 0), "retrained after 3 more updates"),
    "the next": (policy(every_updates=1), Since(0, 0), "retrained with the next update"),
    "days": (policy(every_days=7, removed=True), Since(0, 5.2), "retrained in 2 days or when a document that it "),
    "another": (policy(Strategy.RAG, every_days=7), Since(0, 9), "not retrained again, because policy.strategy is rag"),
}


@pytest.mark.parametrize("case", SAID)
def test_it_says_when_the_next_retrain_comes(case: str) -> None:
    rules, since, said = SAID[case]
    assert find_due(held(stale=1), since, rules).why.startswith(said)


def test_it_says_why_a_retrain_is_due_and_what_the_rule_is() -> None:
    rules = policy(every_updates=2, every_days=7, from_share=0.1, removed=True)
    due = find_due(held(stale=2, gone=1), Since(3, 1), rules)
    assert due.why == (
        "1 document that it learned is gone and 3 updates since its last retrain and 15% of what it learned has changed"
    )
    assert describe_rule(TUNED, rules) == (
        "retrained with every 2 updates or every 7 days or when 10% of what it learned has changed or when a document "
        "that it learned is removed"
    )


@pytest.mark.parametrize(
    ("since", "rules", "due"),
    [
        (None, policy(), True),
        (None, policy(Strategy.RAG), False),
        (Since(0, 0), policy(every_days=7, from_share=0.1, removed=True), False),
        (Since(0, 7), policy(every_days=7), True),
        (Since(1, 0), policy(every_updates=1), True),
    ],
    ids=["never tried", "not the one that is run", "tried today", "tried a week ago", "an update since"],
)
def test_one_that_is_not_served_is_tried_once_and_then_by_time(
    since: Since | None, rules: PolicyParams, due: bool
) -> None:
    assert is_first_due(TUNED, since, rules) is due
