"""The one rule for when an adapter is retrained: events, schedules, `lorag status` and `lorag advise` follow it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lorag.counted import counted
from lorag.knowledge.changes import compare_versions
from lorag.params import PolicyParams, RetrainParams
from lorag.strategies import AdapterKind


class When(StrEnum):
    """The time at which an adapter should be retrained: now, later by the policy, or not, as nothing changed."""

    NOW = "now"
    SCHEDULED = "scheduled"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Look:
    """The state that the last retrain of an adapter saw: document versions, and the answers of facts by digest.

    After it, nothing in this state was left to train or to drop.
    """

    documents: Mapping[str, str]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """An adapter compared with the current documents; changes that its last retrain saw are not counted.

    Of the `n_documents` that it was trained on, `stale` have another version now and `gone` were removed. It learned
    `n_learned` facts; `n_facts` facts are new or have another answer.
    """

    kind: AdapterKind
    n_documents: int
    stale: tuple[str, ...]
    gone: tuple[str, ...]
    n_learned: int
    n_facts: int

    @property
    def share(self) -> float:
        """The share of its knowledge that has changed: of its documents or of its facts, whichever is greater."""
        moved = len(self.stale) + len(self.gone)
        return max(moved / max(1, self.n_documents), self.n_facts / max(1, self.n_learned))

    @property
    def is_behind(self) -> bool:
        """Whether a retrain would find anything new, changed or removed."""
        return bool(self.stale or self.gone or self.n_facts)


@dataclass(frozen=True, slots=True)
class Since:
    """What has passed since the last retrain of an adapter, whatever became of it; None if that is unknown."""

    updates: int | None = None
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """When an adapter is retrained, and why, as a clause without an end."""

    when: When
    why: str


def hold(
    kind: AdapterKind,
    trained_on: Mapping[str, str],
    versions: Mapping[str, str],
    look: Look | None,
    *,
    n_learned: int,
    n_facts: int,
) -> Held:
    """Compare an adapter's documents with the current versions; a renamed document is neither stale nor gone.

    Changes that its last retrain saw, and had nothing to train for, are not counted again. `look` is None if there was
    no such retrain.
    """
    since = compare_versions(trained_on, versions)
    stale = (name for name in since.changed if look is None or look.documents.get(name) != versions[name])
    gone = (name for name in since.removed if look is None or name in look.documents)
    return Held(kind, len(trained_on), tuple(stale), tuple(gone), n_learned, n_facts)


def find_due(held: Held, since: Since, policy: PolicyParams) -> Due:
    """Return when an adapter is retrained under the policy in force.

    Whichever of its rules is met first makes it due, if a retrain would find anything. A rule whose count is unknown is
    met. For an adapter that the policy does not keep up to date, only a removed document does.
    """
    rule = policy.retrain[held.kind]
    met: list[str] = []
    if rule.removed and held.gone:
        n_gone = len(held.gone)
        met.append(f"{_count(n_gone, 'document')} that it learned {'is' if n_gone == 1 else 'are'} gone")
    if policy.keeps(held.kind) and held.is_behind:
        met += _met_by_time(since, rule)
        if rule.from_share is not None and held.share >= rule.from_share:
            met.append(f"{held.share:.0%} of what it learned has changed")
    if met:
        return Due(When.NOW, " and ".join(met))
    return Due(When.SCHEDULED if held.is_behind else When.NOT, _next(held, since, policy))


def is_first_due(kind: AdapterKind, since: Since | None, policy: PolicyParams) -> bool:
    """Return whether an adapter that is not served is trained; `since` is None if no training was tried."""
    return policy.keeps(kind) and (since is None or bool(_met_by_time(since, policy.retrain[kind])))


def _met_by_time(since: Since, rule: RetrainParams) -> list[str]:
    met: list[str] = []
    if rule.every_updates is not None and (since.updates is None or since.updates >= rule.every_updates):
        met.append(f"{_count(since.updates, 'update')} since its last retrain")
    # Rounded: a daily schedule must not miss the day by the minutes that the last retrain took.
    if rule.every_days is not None and (since.days is None or round(since.days) >= rule.every_days):
        met.append(f"{_count(None if since.days is None else round(since.days), 'day')} since its last retrain")
    return met


def _count(n: int | None, noun: str) -> str:
    return f"an unknown number of {noun}s" if n is None else counted(n, noun)


def describe_rule(kind: AdapterKind, policy: PolicyParams) -> str:
    """Return when an adapter is retrained under the policy in force, as words after "it is"."""
    rule = policy.retrain[kind]
    clauses: list[str] = []
    if rule.every_updates is not None:
        clauses.append(f"with every {'update' if rule.every_updates == 1 else _count(rule.every_updates, 'update')}")
    if rule.every_days is not None:
        clauses.append(f"every {'day' if rule.every_days == 1 else _count(rule.every_days, 'day')}")
    if rule.from_share is not None:
        clauses.append(f"when {rule.from_share:.0%} of what it learned has changed")
    return _retrained(clauses, kind, policy)


def _next(held: Held, since: Since, policy: PolicyParams) -> str:
    rule = policy.retrain[held.kind]
    clauses: list[str] = []
    if rule.every_updates is not None:
        left = max(1, rule.every_updates - (since.updates or 0))
        clauses.append("with the next update" if left == 1 else f"after {_count(left, 'more update')}")
    if rule.every_days is not None:
        left = max(0, rule.every_days - round(since.days or 0.0))
        soon = f"in {_count(left, 'day')}" if held.is_behind else f"in {_count(left, 'day')}, if anything changes"
        clauses.append("with the next change" if left == 0 else soon)
    if rule.from_share is not None:
        clauses.append(f"when {rule.from_share:.0%} of what it learned has changed (now {held.share:.0%})")
    return _retrained(clauses, held.kind, policy)


def _retrained(clauses: Sequence[str], kind: AdapterKind, policy: PolicyParams) -> str:
    rule = policy.retrain[kind]
    kept = [*clauses] if policy.keeps(kind) else []
    if rule.removed:
        kept.append("when a document that it learned is removed")
    said = f"retrained {' or '.join(kept)}" if kept else "not retrained again"
    return said if policy.keeps(kind) else f"{said}, because policy.strategy is {policy.strategy}"
