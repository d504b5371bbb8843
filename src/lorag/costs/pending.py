"""What a pending change of the documents asks for: the index, the adapters, or both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from lorag.costs.evidence import Figure, Finding, Stance, middle, show_seconds
from lorag.costs.ledger import LedgerEntry
from lorag.costs.unit_costs import Measured, Missing
from lorag.knowledge.changes import CorpusChanges, compare_versions
from lorag.params import AdviceParams
from lorag.strategies import READER, AdapterKind

_NAMED = 3


class Action(StrEnum):
    """What to do about a change set."""

    NOTHING = "nothing"
    INDEX_ONLY = "index_only"
    SCHEDULE_RETRAIN = "schedule_retrain"
    BOTH = "both"


class When(StrEnum):
    """How soon an adapter is to be trained again."""

    NOW = "now"
    SCHEDULED = "scheduled"
    NOT = "not"


@dataclass(frozen=True, slots=True)
class Look:
    """What the last retrain of an adapter saw: the versions of the documents, and the answers of facts by digest.

    Nothing of it was left to train, or to drop.
    """

    documents: Mapping[str, str]
    facts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Held:
    """An adapter against the documents as they are now, as far as no retrain has looked at them yet.

    Of `n_documents` that it was trained on `stale` have another version now and `gone` are no more. Of facts, of which
    it learned `n_learned`, `n_facts` are new, or have another answer.
    """

    kind: AdapterKind
    n_documents: int
    stale: tuple[str, ...]
    gone: tuple[str, ...]
    n_learned: int
    n_facts: int

    @property
    def share(self) -> float:
        """How much of what it knows is other by now: of its documents or of its facts, whichever is greater."""
        return max(len(self.stale) / max(1, self.n_documents), self.n_facts / max(1, self.n_learned))

    def when(self, params: AdviceParams) -> When:
        """The one rule for status, advice, events and retrains: when it is to be trained again.

        Now, where its weights hold what was removed, or where much is other of what a closed-book adapter knows; one
        that reads finds what changed in the index. Less waits for the schedule, which shares a retrain among changes.
        Documents that are new tell by their facts.
        """
        if self.gone or (not self.kind.reads and self.share and self.share >= params.retrain_from_share):
            return When.NOW
        return When.SCHEDULED if self.stale or self.n_facts else When.NOT


@dataclass(frozen=True, slots=True)
class PendingAdvice:
    """The action, when to train each adapter, and a sentence for each reason and each cost."""

    action: Action
    retrain: Mapping[AdapterKind, When]
    findings: tuple[Finding, ...]
    missing: tuple[Missing, ...]

    def to_json(self) -> dict[str, Any]:
        """Part of what `lorag advise --json` prints."""
        return {
            "action": self.action.value,
            "retrain": {kind.value: when.value for kind, when in self.retrain.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "missing": [asdict(one) for one in self.missing],
        }


def hold(
    kind: AdapterKind,
    trained_on: Mapping[str, str],
    versions: Mapping[str, str],
    look: Look | None,
    *,
    n_learned: int,
    n_facts: int,
) -> Held:
    """Compares an adapter's documents with the versions of now; a renamed document is neither stale nor gone.

    What its last retrain saw, and could not change, counts no more: `look` is None where none has looked since.
    """
    since = compare_versions(trained_on, versions)
    stale = (name for name in since.changed if look is None or look.documents.get(name) != versions[name])
    gone = (name for name in since.removed if look is None or name in look.documents)
    return Held(kind, len(trained_on), tuple(stale), tuple(gone), n_learned, n_facts)


def advise_change(
    changes: CorpusChanges,
    held: Sequence[Held],
    measured: Sequence[Measured],
    params: AdviceParams,
    *,
    params_changed: bool,
) -> PendingAdvice:
    """The index follows every change; an adapter only where that is worth a retrain, by `Held.when`."""
    index = params_changed or not changes.is_empty
    findings: list[Finding] = list(_index_reasons(changes, params_changed=params_changed))
    retrain: dict[AdapterKind, When] = {}
    for one in held:
        retrain[one.kind] = one.when(params)
        findings.append(_reason(one, params))
    wanted = [kind for kind, when in retrain.items() if when is not When.NOT]
    known = {one.strategy: one for one in measured}
    if index:
        findings += _cost_of("A refresh", known[READER].updates[-1])
    for kind in wanted:
        findings += _cost_of(f"A retrain of {kind}", known[kind.strategy].updates[-1])
    unknown = [kind.strategy for kind in wanted] + ([READER] if index else [])
    missing = [one for name in unknown for one in known[name].missing() if one.do != "lorag compare"]
    return PendingAdvice(
        _action(index=index, retrain=bool(wanted)), retrain, tuple(findings), tuple(dict.fromkeys(missing))
    )


def _action(*, index: bool, retrain: bool) -> Action:
    if retrain:
        return Action.BOTH if index else Action.SCHEDULE_RETRAIN
    return Action.INDEX_ONLY if index else Action.NOTHING


def _index_reasons(changes: CorpusChanges, *, params_changed: bool) -> Iterator[Finding]:
    counts = {name: len(getattr(changes, name)) for name in ("added", "changed", "removed", "renamed")}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if said:
        yield Finding(Stance.FOR, f"The index does not know these documents yet: {said}.", sum(counts.values()))
    if params_changed:
        yield Finding(Stance.FOR, "The served index was made with other params.")


def _reason(held: Held, params: AdviceParams) -> Finding:
    when = held.when(params)
    if held.gone:
        sentence = f"The weights of {held.kind} hold what was removed: {_named(held.gone)}."
        return Finding(Stance.AGAINST, sentence, len(held.gone))
    if when is When.NOT:
        return Finding(Stance.FOR, f"Nothing that {held.kind} was trained on changed.")
    figures = f"{len(held.stale)} of {held.n_documents} documents and {held.n_facts} of {held.n_learned} facts"
    if held.kind.reads:
        sentence = f"{held.kind} reads what changed from the index; for it {figures} are new or other."
        return Finding(Stance.FOR, sentence, held.share)
    known = f"For {held.kind} {figures} are new or other, {held.share:.0%}"
    if when is When.NOW:
        return Finding(Stance.AGAINST, f"{known}, and it has nothing but its weights.", held.share)
    return Finding(Stance.FOR, f"{known}, less than {params.retrain_from_share:.0%}: they wait.", held.share)


def _cost_of(what: str, entries: Sequence[LedgerEntry]) -> Iterator[Finding]:
    seconds: Figure | None = middle(entries, lambda entry: entry.cost.use.wall_s)
    money = middle(entries, lambda entry: entry.cost.money)
    if seconds and money:
        currency = entries[0].cost.currency
        took = f"{show_seconds(seconds.value)} and {money.value:.3g} {currency}"
        sentence = f"{what} took {took} (median of {seconds.n_runs})."
        yield Finding.on(seconds, Stance.FOR, sentence)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
