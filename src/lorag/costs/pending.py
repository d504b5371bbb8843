"""The updates that a pending change of the documents needs: of the index, of the adapters, or of both."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from lorag.costs.due import Due, Held, When
from lorag.costs.evidence import Figure, Finding, Stance, middle, show_seconds
from lorag.costs.ledger import LedgerEntry
from lorag.costs.remedies import CHANGE_OF_STOP
from lorag.costs.unit_costs import Measured, Missing
from lorag.counted import counted
from lorag.knowledge.changes import CorpusChanges
from lorag.strategies import READER, AdapterKind

_NAMED = 3


class Action(StrEnum):
    """The update that a change set needs."""

    NOTHING = "nothing"
    INDEX_ONLY = "index_only"
    SCHEDULE_RETRAIN = "schedule_retrain"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class PendingAdvice:
    """The action, the time to retrain each adapter, and a sentence for each reason and each cost.

    `n_elsewhere` is the number of the ledger's entries that do not count because another machine measured them.
    `stopped` are the adapters whose retrain its forecast would stop again.
    """

    action: Action
    retrain: Mapping[AdapterKind, When]
    findings: tuple[Finding, ...]
    missing: tuple[Missing, ...]
    n_elsewhere: int = 0
    stopped: tuple[AdapterKind, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return this part of what `lorag advise --json` prints."""
        return {
            "action": self.action.value,
            "retrain": {kind.value: when.value for kind, when in self.retrain.items()},
            "findings": [asdict(finding) for finding in self.findings],
            "missing": [asdict(one) for one in self.missing],
            "n_elsewhere": self.n_elsewhere,
            "stopped": [kind.value for kind in self.stopped],
        }


def advise_change(
    changes: CorpusChanges,
    held: Sequence[Held],
    due: Mapping[AdapterKind, Due],
    measured: Sequence[Measured],
    *,
    params_changed: bool,
    reasons: Sequence[str] = (),
    stopped: Mapping[AdapterKind, Sequence[str]] = MappingProxyType({}),
) -> PendingAdvice:
    """Advise on a change: the index follows every change, an adapter only when it is due.

    `due` says when each of `held` is retrained. `reasons` are further ones for a refresh, such as changed questions, in
    words. `stopped` has, for each adapter whose retrain would be stopped before it begins, the sentences that say why.
    """
    index = params_changed or bool(reasons) or not changes.is_empty
    findings: list[Finding] = list(_index_reasons(changes, params_changed=params_changed))
    findings += [Finding(Stance.FOR, f"A refresh has something to do: {reason}.") for reason in reasons]
    retrain: dict[AdapterKind, When] = {}
    for one in held:
        retrain[one.kind] = due[one.kind].when
        findings += _reasons_of(one, due[one.kind])
        findings += [
            Finding(Stance.AGAINST, f"A retrain of {one.kind} is stopped before it begins: {why}.")
            for why in stopped.get(one.kind, ())
        ]
        if stopped.get(one.kind):
            findings.append(Finding(Stance.FOR, f"To train {one.kind}, {CHANGE_OF_STOP}."))
    wanted = [kind for kind, when in retrain.items() if when is not When.NOT]
    known = {one.strategy: one for one in measured}
    if index:
        findings += _cost_of("A refresh", known[READER].updates[-1])
    for kind in wanted:
        findings += _cost_of(f"A retrain of {kind}", known[kind.strategy].updates[-1])
    unknown = [kind.strategy for kind in wanted] + ([READER] if index else [])
    missing = [one for name in unknown for one in known[name].missing() if one.do != "lorag compare"]
    return PendingAdvice(
        _action(index=index, retrain=bool(wanted)),
        retrain,
        tuple(findings),
        tuple(dict.fromkeys(missing)),
        stopped=tuple(kind for kind in wanted if stopped.get(kind)),
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


def _reasons_of(held: Held, due: Due) -> Iterator[Finding]:
    if due.when is When.NOT:
        yield Finding(Stance.FOR, f"Nothing that {held.kind} was trained on changed.")
        return
    if held.gone:
        sentence = f"The weights of {held.kind} still contain removed documents: {_named(held.gone)}."
        yield Finding(Stance.AGAINST, sentence, len(held.gone))
    documents, facts = counted(held.n_documents, "document"), counted(held.n_learned, "fact")
    figures = f"{len(held.stale)} of {documents} and {held.n_facts} of {facts}"
    how = "reads changes from the index" if held.kind.reads else "answers from its weights alone"
    stance = Stance.FOR if held.kind.reads else Stance.AGAINST
    yield Finding(stance, f"{held.kind} {how}; for it {figures} are new or changed, {held.share:.0%}.", held.share)
    if due.when is When.NOW:
        yield Finding(Stance.AGAINST, f"A retrain of {held.kind} is due: {due.why}.")
    else:
        yield Finding(Stance.FOR, f"{held.kind} can wait: it is {due.why}.")


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
