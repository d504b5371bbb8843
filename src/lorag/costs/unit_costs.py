"""What one update and one question cost with each strategy, as the ledger measured them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Self

from lorag.costs.ledger import EntryKind, Extent, Ledger, LedgerEntry, TimeToFresh
from lorag.costs.prices import price_of, price_storage
from lorag.costs.records import Use
from lorag.params import PriceParams
from lorag.strategies import Strategy, Update

DAYS_A_MONTH = 365.25 / 12


def updates_of(strategy: Strategy) -> tuple[tuple[EntryKind, Strategy | None], ...]:
    """The ledger's names for the updates that a strategy needs: a refresh belongs to no strategy, a retrain to one."""
    known = {Update.REFRESH: (EntryKind.REFRESH, None), Update.RETRAIN: (EntryKind.RETRAIN, strategy)}
    return tuple(known[update] for update in strategy.profile.updates)


class Unit(StrEnum):
    """What is added up: money by the price book, or the seconds that processors and GPUs worked."""

    MONEY = "money"
    SECONDS = "seconds"


@dataclass(frozen=True, slots=True)
class Missing:
    """A figure that was not measured, and the command that measures it."""

    what: str
    do: str


@dataclass(frozen=True, slots=True)
class StoredBytes:
    """What lies on disk for good; `index` is None where the store does not tell."""

    index: int | None
    adapters: Mapping[Strategy, int]

    def of(self, strategy: Strategy) -> int | None:
        """For one strategy."""
        adapter = self.adapters.get(strategy, 0)
        if not strategy.profile.reads:
            return adapter
        return None if self.index is None else self.index + adapter


@dataclass(frozen=True, slots=True)
class Measured:
    """The entries that tell what a strategy costs: a group for each part of an update, and batches of answers.

    `answers` are those of the newest settings, for quality and speed; `priced` those whose cost can be held against
    other strategies'. `n_left_out` were measured with another model or other params, or are looks at some questions.
    """

    strategy: Strategy
    updates: tuple[tuple[LedgerEntry, ...], ...]
    answers: tuple[LedgerEntry, ...]
    priced: tuple[LedgerEntry, ...]
    stored_bytes: int | None
    fresh: tuple[TimeToFresh, ...]
    n_left_out: int = 0

    @property
    def accuracy(self) -> float | None:
        """Of the newest batch that tells it."""
        return next((e.quality["accuracy"] for e in self.answers if e.quality and "accuracy" in e.quality), None)

    @property
    def time_to_fresh_s(self) -> float | None:
        """The median, from a change to the first right answer."""
        return median(one.seconds for one in self.fresh) if self.fresh else None

    def grown(self, growth: float) -> "Measured":
        """With retrains that use `growth` times as much; a refresh goes by the change, not by the corpus."""
        updates = tuple(tuple(_grown(entry, growth) for entry in entries) for entries in self.updates)
        return replace(self, updates=updates)

    def missing(self) -> list[Missing]:
        """What has to be measured before its costs are known."""
        parts = zip(updates_of(self.strategy), self.updates, strict=True)
        found = [_missing_update(*part) for part, entries in parts if not entries]
        if not self.answers:
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
    """The median of what was measured, between the least and the greatest."""

    least: float
    median: float
    greatest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """Of at least one value."""
        known = list(values)
        return cls(min(known), median(known), max(known))

    def __add__(self, other: "Band") -> "Band":
        return Band(self.least + other.least, self.median + other.median, self.greatest + other.greatest)


@dataclass(frozen=True, slots=True)
class UnitCosts:
    """What an update, a question and a day of storage cost with one strategy, all in one unit."""

    strategy: Strategy
    update: Band
    query: Band
    storage_a_day: float

    def a_day(self, updates: float, queries: float) -> float:
        """By the medians."""
        return self.range_a_day(updates, queries).median

    def range_a_day(self, updates: float, queries: float) -> Band:
        """With each cost at its least, its median and its greatest."""
        parts = ((getattr(self.update, part), getattr(self.query, part)) for part in ("least", "median", "greatest"))
        return Band(*(updates * update + queries * query + self.storage_a_day for update, query in parts))


def measure(ledger: Ledger, stored: StoredBytes) -> list[Measured]:
    """What the ledger tells of each strategy: refreshes that kept something, and retrains that trained something.

    A training from scratch and one that continued an adapter are never mixed: the way of the newest one is what an
    update costs now. So the first training, which had nothing to continue, tells it only until there is another. Tries
    that were refused or failed count with the update that came of them.

    Nor are those of two models or two sets of params: the newest ones count, and how many were left out is told.
    Answers cost more streamed one by one than in a batch, so one way is taken for all: that of most strategies.
    """
    kept = {strategy: _comparable_answers(ledger.of(EntryKind.ANSWERS, strategy)) for strategy in Strategy}
    source = _common_source([entry for entries in kept.values() for entry in entries])
    return [_measure(strategy, kept[strategy], source, ledger, stored) for strategy in Strategy]


def _measure(
    strategy: Strategy, answers: tuple[LedgerEntry, ...], source: str | None, ledger: Ledger, stored: StoredBytes
) -> Measured:
    parts = [_updates(ledger, *part) for part in updates_of(strategy)]
    n_asked = len(ledger.of(EntryKind.ANSWERS, strategy))
    return Measured(
        strategy,
        tuple(entries for entries, _ in parts),
        answers,
        tuple(entry for entry in answers if entry.source == source),
        stored.of(strategy),
        tuple(one for one in ledger.fresh if one.strategy == strategy),
        sum(left_out for _, left_out in parts) + n_asked - len(answers),
    )


def unit_costs(measured: Measured, unit: Unit, prices: PriceParams) -> UnitCosts:
    """Of a strategy of which nothing is missing; storage of unknown size counts as nothing, as it does in seconds."""
    update = Band(0.0, 0.0, 0.0)
    for entries in measured.updates:
        update += Band.of(_value(entry.cost.use, unit, prices) for entry in entries)
    query = Band.of(_value(entry.cost.use, unit, prices) / (entry.n_queries or 1) for entry in measured.priced)
    storage = price_storage(measured.stored_bytes or 0, prices) / DAYS_A_MONTH
    return UnitCosts(measured.strategy, update, query, storage if unit is Unit.MONEY else 0.0)


def _comparable_answers(entries: tuple[LedgerEntry, ...]) -> tuple[LedgerEntry, ...]:
    """Those with the settings of the newest; looks at some questions only where nothing else was measured."""
    whole = tuple(entry for entry in entries if not entry.is_look) or entries
    return tuple(entry for entry in whole if entry.settings == whole[0].settings)


def _common_source(entries: Iterable[LedgerEntry]) -> str | None:
    told = {(entry.source, entry.strategy) for entry in entries}
    strategies = Counter(source for source, _ in told)
    return max(strategies, key=lambda source: (strategies[source], source == "streamed"), default=None)


def _grown(entry: LedgerEntry, growth: float) -> LedgerEntry:
    if entry.kind is not EntryKind.RETRAIN or growth == 1:
        return entry
    return replace(entry, cost=replace(entry.cost, use=entry.cost.use.times(growth)))


def _updates(ledger: Ledger, kind: EntryKind, strategy: Strategy | None) -> tuple[tuple[LedgerEntry, ...], int]:
    """Those of the way and the settings of the newest, and how many were left out for their settings."""
    # A first build of the index is paid once, and an update that found no change is none.
    counted = {Extent.INCREMENTAL} if kind is EntryKind.REFRESH else {Extent.FULL, Extent.INCREMENTAL}
    entries = [entry for entry in ledger.updates(kind, strategy) if entry.extent in counted]
    kept = tuple(e for e in entries if (e.extent, e.settings) == (entries[0].extent, entries[0].settings))
    return kept, sum(entry.settings != entries[0].settings for entry in entries)


def _value(use: Use, unit: Unit, prices: PriceParams) -> float:
    return price_of(use, prices) if unit is Unit.MONEY else use.cpu_s + use.gpu_s
