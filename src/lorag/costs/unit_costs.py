"""The cost of one update and of one question with each strategy, as the ledger has them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Self

from lorag.costs.ledger import (
    SERVED,
    UNFINISHED,
    EntryKind,
    Extent,
    Ledger,
    LedgerEntry,
    Outcome,
    TimeToFresh,
)
from lorag.costs.prices import price_of, price_storage
from lorag.costs.records import Use
from lorag.params import PriceParams
from lorag.strategies import Strategy, Update

DAYS_A_MONTH = 365.25 / 12

MIN_SERVED = 20
"""The answers of the service from which on their cost counts as that of a question: fewer say little."""


def updates_of(strategy: Strategy) -> tuple[tuple[EntryKind, Strategy | None], ...]:
    """Return the ledger's keys of the updates that a strategy needs: a refresh has no strategy, a retrain has one."""
    known = {Update.REFRESH: (EntryKind.REFRESH, None), Update.RETRAIN: (EntryKind.RETRAIN, strategy)}
    return tuple(known[update] for update in strategy.profile.updates)


class Unit(StrEnum):
    """The quantity that is added up: money by the price book, or the seconds that processors and GPUs worked."""

    MONEY = "money"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Missing:
    """A figure that was not measured, and the command that measures it."""

    what: str
    do: str


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """The bytes that stay on disk; `index` is None if the store does not report its size."""

    index: int | None
    adapters: Mapping[Strategy, int]

    def of(self, strategy: Strategy) -> int | None:
        """Return the bytes of one strategy; None if it reads the index and that size is unknown."""
        adapter = self.adapters.get(strategy, 0)
        if not strategy.profile.reads:
            return adapter
        return None if self.index is None else self.index + adapter


@dataclass(frozen=True, slots=True)
class Measured:
    """The entries that show what a strategy costs: a group for each part of an update, and batches of answers.

    `answers` have the newest settings and give quality and speed. `priced` are those whose cost can be compared with
    other strategies: answers of the service if there are `MIN_SERVED` with its newest settings. `n_left_out` were
    measured with another model or other params, or asked only some questions. `due` are
    the retrains that were due, newest first and like the newest one: those that a gate refused are among them, with
    their own cost.
    """

    strategy: Strategy
    updates: tuple[tuple[LedgerEntry, ...], ...]
    answers: tuple[LedgerEntry, ...]
    priced: tuple[LedgerEntry, ...]
    stored_bytes: int | None
    fresh: tuple[TimeToFresh, ...]
    n_left_out: int = 0
    due: tuple[LedgerEntry, ...] = ()

    @property
    def n_served(self) -> int:
        """The answers of the service that the cost of a question comes from; 0 if it comes from a comparison."""
        return sum(entry.n_queries or 0 for entry in self.priced if entry.source == SERVED)

    @property
    def accuracy(self) -> float | None:
        """The accuracy of the newest batch that has it; None if no batch has it."""
        return next((e.quality["accuracy"] for e in self.answers if e.quality and "accuracy" in e.quality), None)

    @property
    def time_to_fresh_s(self) -> float | None:
        """The median time from a change to the first right answer; None if it was not measured."""
        return median(one.seconds for one in self.fresh) if self.fresh else None

    def grown(self, growth: float) -> "Measured":
        """Return a copy whose retrains use `growth` times as much.

        A refresh stays the same, because it depends on the change and not on the corpus.
        """
        updates = tuple(tuple(_grown(entry, growth) for entry in entries) for entries in self.updates)
        return replace(self, updates=updates, due=tuple(_grown(entry, growth) for entry in self.due))

    def missing(self, *, retrains: bool = True) -> list[Missing]:
        """Return what must be measured before its costs are known; without `retrains`, those of one never retrained."""
        parts = zip(updates_of(self.strategy), self.updates, strict=True)
        wanted = [(part, entries) for part, entries in parts if retrains or part[0] is not EntryKind.RETRAIN]
        found = [_missing_update(*part) for part, entries in wanted if not entries]
        if not self.answers and not self.priced:
            found.append(Missing(f"a batch of answers by {self.strategy}", "lorag compare"))
        elif not self.priced:
            found.append(Missing(f"the cost of answers by {self.strategy}, measured as the others'", "lorag compare"))
        return found


def _missing_update(kind: EntryKind, strategy: Strategy | None) -> Missing:
    if kind is EntryKind.REFRESH:
        return Missing("a refresh after a change", "change a document, then lorag refresh")
    return Missing(f"a retrain of {strategy}", f"lorag retrain --adapter {strategy}")


@dataclass(frozen=True, slots=True)
class Band:
    """The median of the measured values, with the least and the greatest."""

    least: float
    median: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Make a band of at least one value."""
        known = list(values)
        return cls(min(known), median(known), max(known))

    def __add__(self, other: "Band") -> "Band":
        return Band(self.least + other.least, self.median + other.median, self.greatest + other.greatest)

    def times(self, factor: float) -> "Band":
        """Return the band with all values multiplied by a factor that is not negative."""
        return Band(self.least * factor, self.median * factor, self.greatest * factor)


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """The costs of an update, a question and a day of storage with one strategy, all in one unit."""

    strategy: Strategy
    update: Band
    query: Band
    storage_a_day: float

    def a_day(self, updates: float, queries: float) -> float:
        """Return the daily cost computed from the median unit costs."""
        return self.range_a_day(updates, queries).median

    def range_a_day(self, updates: float, queries: float) -> Band:
        """Return the daily cost with each unit cost at its least, its median and its greatest."""
        parts = ((getattr(self.update, part), getattr(self.query, part)) for part in ("least", "median", "greatest"))
        return Band(*(updates * update + queries * query + self.storage_a_day for update, query in parts))


def measure(ledger: Ledger, stored: StoredBytes) -> list[Measured]:
    """Collect the ledger's entries of each strategy: refreshes that kept something, retrains that trained something.

    Trainings from scratch and continued trainings are never mixed: only those like the newest one count, because that
    is what an update costs now. So the first training, which had nothing to continue, counts only until there is
    another. Attempts that were refused or failed count with the update that followed from them.

    Entries of two models or two sets of params are not mixed either: the newest ones count, and `n_left_out` gives the
    number of the others. Answers cost more when streamed one by one than in a batch, so all strategies use the one way
    that most of them have. What the service answered was streamed. Of several machines, that of the newest entry
    counts: see `Ledger.on_newest_machine`.
    """
    ledger = ledger.on_newest_machine()
    asked = {strategy: ledger.of(EntryKind.ANSWERS, strategy) for strategy in Strategy}
    batches = {name: tuple(entry for entry in asked[name] if entry.source != SERVED) for name in Strategy}
    kept = {strategy: _comparable_answers(entries) for strategy, entries in batches.items()}
    source = _common_source([entry for entries in kept.values() for entry in entries])
    found = []
    for strategy in Strategy:
        priced = tuple(entry for entry in kept[strategy] if entry.source == source)
        served = _served([entry for entry in asked[strategy] if entry.source == SERVED])
        if served and source in (None, "streamed"):
            priced = served
        n_left_out = len(batches[strategy]) - len(kept[strategy])
        found.append(_measure(strategy, kept[strategy], priced, n_left_out, ledger, stored))
    return found


def _measure(
    strategy: Strategy,
    answers: tuple[LedgerEntry, ...],
    priced: tuple[LedgerEntry, ...],
    n_left_out: int,
    ledger: Ledger,
    stored: StoredBytes,
) -> Measured:
    parts = [_updates(ledger, *part) for part in updates_of(strategy)]
    return Measured(
        strategy,
        tuple(entries for entries, _ in parts),
        answers,
        priced,
        stored.of(strategy),
        tuple(one for one in ledger.fresh if one.strategy == strategy),
        sum(left_out for _, left_out in parts) + n_left_out,
        _retrains_due(ledger, strategy),
    )


def unit_costs(measured: Measured, unit: Unit, prices: PriceParams, retrains: float | None = None) -> UnitCosts:
    """Return the unit costs of a strategy that lacks no figure.

    An update is one that was served, with the attempts before it. With `retrains`, an update is a refresh, where the
    strategy reads, and this number of retrains that are due, whether or not a gate refuses them. Storage costs nothing
    if its size is unknown, or if the unit is seconds.
    """
    update = Band(0.0, 0.0, 0.0)
    for (kind, _), served in zip(updates_of(measured.strategy), measured.updates, strict=True):
        share = retrains if kind is EntryKind.RETRAIN else None
        if share != 0:
            entries = served if share is None else measured.due
            part = Band.of(_value(entry.cost.use, unit, prices) for entry in entries)
            update += part.times(1.0 if share is None else share)
    query = Band.of(_value(entry.cost.use, unit, prices) / (entry.n_queries or 1) for entry in measured.priced)
    storage = price_storage(measured.stored_bytes or 0, prices) / DAYS_A_MONTH
    return UnitCosts(measured.strategy, update, query, storage if unit is Unit.MONEY else 0.0)


def _comparable_answers(entries: tuple[LedgerEntry, ...]) -> tuple[LedgerEntry, ...]:
    """Return the entries with the newest settings; partial batches count only if there are no full ones."""
    whole = tuple(entry for entry in entries if not entry.is_look) or entries
    return tuple(entry for entry in whole if entry.settings == whole[0].settings)


def _served(entries: Sequence[LedgerEntry]) -> tuple[LedgerEntry, ...]:
    """Return the answers of the service with its newest settings; none if they are too few."""
    same = tuple(entry for entry in entries if entry.settings == entries[0].settings)
    return same if sum(entry.n_queries or 0 for entry in same) >= MIN_SERVED else ()


def _common_source(entries: Iterable[LedgerEntry]) -> str | None:
    told = {(entry.source, entry.strategy) for entry in entries}
    strategies = Counter(source for source, _ in told)
    return max(strategies, key=lambda source: (strategies[source], source == "streamed"), default=None)


def _grown(entry: LedgerEntry, growth: float) -> LedgerEntry:
    if entry.kind is not EntryKind.RETRAIN or growth == 1:
        return entry
    return replace(entry, cost=replace(entry.cost, use=entry.cost.use.times(growth)))


def _updates(ledger: Ledger, kind: EntryKind, strategy: Strategy | None) -> tuple[tuple[LedgerEntry, ...], int]:
    """Return the entries with the extent and settings of the newest, and the number left out for their settings."""
    # A first build of the index is paid once, and an update that found no change does not count.
    counted = {Extent.INCREMENTAL} if kind is EntryKind.REFRESH else {Extent.FULL, Extent.INCREMENTAL}
    entries = [entry for entry in ledger.updates(kind, strategy) if entry.extent in counted]
    kept = tuple(e for e in entries if (e.extent, e.settings) == (entries[0].extent, entries[0].settings))
    return kept, sum(entry.settings != entries[0].settings for entry in entries)


def _retrains_due(ledger: Ledger, strategy: Strategy) -> tuple[LedgerEntry, ...]:
    """Return the retrains with the extent and settings of the newest one, whether or not a gate refused it."""
    every = ledger.updates(EntryKind.RETRAIN, strategy, UNFINISHED - {Outcome.REFUSED})
    due = tuple(entry for entry in every if entry.extent in (Extent.FULL, Extent.INCREMENTAL))
    return tuple(entry for entry in due if (entry.extent, entry.settings) == (due[0].extent, due[0].settings))


def _value(use: Use, unit: Unit, prices: PriceParams) -> float:
    return price_of(use, prices) if unit is Unit.MONEY else use.cpu_s + use.gpu_s
