"""The ledger: every measured update and batch of answers, and their costs by kind and strategy."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from statistics import median
from typing import Any, Self

from lorag.costs.prices import cost_of
from lorag.costs.records import Cost, Machine
from lorag.params import CostParams
from lorag.strategies import Strategy


class EntryKind(StrEnum):
    """The kind of work that was paid for."""

    REFRESH = "refresh"
    RETRAIN = "retrain"
    ANSWERS = "answers"


class Extent(StrEnum):
    """The part of the knowledge that an update processed: all of it, what changed, or nothing.

    A retrain is full if it trained from scratch and incremental if it continued an adapter.
    """

    FULL = "full"
    INCREMENTAL = "incremental"
    UNCHANGED = "unchanged"


class Outcome(StrEnum):
    """The way in which an update ended."""

    PUBLISHED = "published"
    CURRENT = "current"
    """The served state was already the wanted one."""
    REFUSED = "refused"
    """A gate refused it."""
    FAILED = "failed"
    """It stopped with an error, or was killed."""
    AHEAD = "ahead"
    """Work that another command did earlier: a retrain reads and embeds what no refresh has processed yet."""


SERVED = "served"
"""The source of answers that the service gave to its users, an entry for each day, release and strategy."""

UNFINISHED = frozenset({Outcome.REFUSED, Outcome.FAILED, Outcome.AHEAD})


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One update, or one batch of `n_queries` answers.

    `strategy` is the adapter of a retrain, and None for a refresh, which serves both rag and hybrid. `extent` and
    `outcome` are None for answers, and where they are unknown. For a batch of answers, `source` says how its cost was
    measured (`streamed` one by one as served, in a `batch`, or `served` to users of the service), and `quality` and
    `speed` hold figures by names such as `accuracy` and `p95_s`. `settings` names the model and the params that the
    cost depends on. `is_look` says that only some questions were asked.
    """

    kind: EntryKind
    strategy: Strategy | None
    run_id: str
    release: str | None
    started_utc: str
    cost: Cost
    extent: Extent | None = None
    n_queries: int | None = None
    source: str | None = None
    quality: Mapping[str, float] | None = None
    speed: Mapping[str, float] | None = None
    outcome: Outcome | None = None
    settings: str = ""
    is_look: bool = False

    @property
    def is_figure(self) -> bool:
        """Whether its cost is that of a whole update or batch: it was completed, and it processed something."""
        return self.outcome not in UNFINISHED and self.extent is not Extent.UNCHANGED and not self.is_look

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"cost": self.cost.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        known = {
            "kind": EntryKind(value["kind"]),
            "strategy": Strategy(value["strategy"]) if value["strategy"] else None,
            "cost": Cost.from_json(value["cost"]),
            "extent": Extent(value["extent"]) if value["extent"] else None,
        }
        return cls(**{**value, **known})


@dataclass(frozen=True, slots=True)
class TimeToFresh:
    """The time from a change until a strategy first answered it right from the served state.

    `run_id` is empty if the time comes from a report and not from a run.
    """

    strategy: Strategy
    seconds: float
    run_id: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """The entries, newest first, and the measured times to fresh.

    `n_skipped` runs had no cost or no strategy; `n_repeated` runs repeated the figures of an older run; `n_elsewhere`
    entries were left out by `on_newest_machine`.
    """

    entries: tuple[LedgerEntry, ...] = ()
    n_skipped: int = 0
    n_repeated: int = 0
    fresh: tuple[TimeToFresh, ...] = ()
    n_elsewhere: int = 0

    def of(self, kind: EntryKind, strategy: Strategy | None) -> tuple[LedgerEntry, ...]:
        """Return the entries of one kind and strategy, newest first."""
        return tuple(entry for entry in self.entries if (entry.kind, entry.strategy) == (kind, strategy))

    def plus(self, entries: Iterable[LedgerEntry]) -> "Ledger":
        """Return the ledger with further entries, sorted in by time."""
        every = sorted([*self.entries, *entries], key=lambda entry: entry.started_utc, reverse=True)
        return replace(self, entries=tuple(every))

    def updates(
        self, kind: EntryKind, strategy: Strategy | None, unfinished: Collection[Outcome] = UNFINISHED
    ) -> tuple[LedgerEntry, ...]:
        """Return the updates that were completed, newest first, each with the cost of the attempts before it.

        An attempt that was refused or failed, and work that was paid ahead, are part of the next update that was
        published: the sum is the cost until the change was served. Later attempts belong to no update yet. With fewer
        outcomes in `unfinished`, attempts with the others count as updates of their own.
        """
        found: list[LedgerEntry] = []
        tries: list[LedgerEntry] = []
        for entry in reversed(self.of(kind, strategy)):
            if entry.outcome in unfinished:
                tries.append(entry)
            elif entry.outcome is Outcome.CURRENT or (entry.outcome is None and entry.extent is Extent.UNCHANGED):
                found.append(entry)
            else:
                found.append(_with_tries(entry, tries))
                tries = []
        return tuple(reversed(found))

    def without_repeats(self) -> "Ledger":
        """Return the ledger without batches of answers that were logged again but not asked again.

        A comparison of answers that DVC kept logs their old cost again. Two real measurements never agree to the last
        digit, so equal ones are repeats.
        """
        kept: list[LedgerEntry] = []
        seen: set[object] = set()
        for entry in reversed(self.entries):
            key = (entry.strategy, entry.n_queries, entry.cost.use)
            if entry.kind is not EntryKind.ANSWERS or key not in seen:
                kept.append(entry)
            seen.add(key)
        repeated = len(self.entries) - len(kept)
        return replace(self, entries=tuple(reversed(kept)), n_repeated=self.n_repeated + repeated)

    def on_newest_machine(self) -> "Ledger":
        """Return the ledger with the entries of one machine: that of the newest entry whose cost is a figure.

        Such an entry is a completed update that processed something, or a batch of all answers; without one, the newest
        entry decides. Answers of the service decide only where there is nothing else: it may run on another machine
        than the updates. Entries without a machine belong together.
        """
        figures = [entry for entry in self.entries if entry.is_figure]
        decisive = [entry for entry in figures if entry.source != SERVED] or figures or self.entries
        kept = tuple(entry for entry in self.entries if entry.cost.machine == decisive[0].cost.machine)
        return replace(self, entries=kept, n_elsewhere=self.n_elsewhere + len(self.entries) - len(kept))

    def repriced(self, params: CostParams) -> "Ledger":
        """Return the ledger with the same use at today's prices."""
        entries = (replace(entry, cost=cost_of(entry.cost.use, params, entry.cost.machine)) for entry in self.entries)
        return replace(self, entries=tuple(entries))

    def to_json(self, last: int) -> dict[str, Any]:
        """Return the object that `lorag costs --json` prints: the `last` newest entries, and totals of all."""
        return {
            "n_entries": len(self.entries),
            "n_skipped": self.n_skipped,
            "n_repeated": self.n_repeated,
            "entries": [entry.to_json() for entry in self.entries[:last]],
            "totals": [summary.to_json() for summary in summarise(self.entries)],
        }


def _with_tries(entry: LedgerEntry, tries: Sequence[LedgerEntry]) -> LedgerEntry:
    """Return the entry with the cost of the attempts before it.

    An unchanged entry takes the extent of the last attempt that had one, because it published what that one did.
    """
    cost, extent = entry.cost, entry.extent
    for one in reversed(tries):
        cost = cost.plus(one.cost)
        if extent is Extent.UNCHANGED and one.extent is not None:
            extent = one.extent
    return replace(entry, cost=cost, extent=extent)


@dataclass(frozen=True, slots=True)
class Spread:
    """The median, the range and the total of several numbers."""

    median: float
    least: float
    greatest: float
    total: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Self | None:
        """Summarise the values; None if there are none."""
        known = list(values)
        return cls(median(known), min(known), max(known), sum(known)) if known else None


@dataclass(frozen=True, slots=True)
class Summary:
    """The costs of `count` entries of one sort and machine; `bytes_written` is None if no entry has it.

    `machine` is None if it is unknown. `outcome` is set for updates that were not completed, and None for the others.
    `source` is set for answers of the service alone.
    """

    kind: EntryKind
    strategy: Strategy | None
    extent: Extent | None
    outcome: Outcome | None
    currency: str
    machine: Machine | None
    count: int
    n_queries: int
    wall_s: Spread
    cpu_s: Spread
    gpu_s: Spread
    tokens: Spread
    bytes_written: Spread | None
    kwh: Spread
    money: Spread
    source: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def extent_of_refresh(*, added: float, changed: float, removed: float, kept: float) -> Extent:
    """Return the extent of a refresh from the numbers of its chunks."""
    if not added + changed + removed:
        return Extent.UNCHANGED
    return Extent.INCREMENTAL if kept else Extent.FULL


def extent_of_retrain(tokens_trained: int, start: str | None) -> Extent:
    """Return the extent of a retrain.

    `start` names the adapter that the training continued, None for a training from scratch. An adapter that was
    restored and not trained counts as unchanged, however it was trained originally.
    """
    if not tokens_trained:
        return Extent.UNCHANGED
    return Extent.FULL if start is None else Extent.INCREMENTAL


def summarise(entries: Sequence[LedgerEntry]) -> list[Summary]:
    """Return a summary for each kind, strategy, extent, outcome, currency and machine; answers of the service apart.

    Refreshes come first, then retrains, then answers.
    """
    groups: dict[
        tuple[EntryKind, Strategy | None, Extent | None, Outcome | None, str, Machine | None, str | None],
        list[LedgerEntry],
    ] = {}
    for entry in entries:
        outcome = entry.outcome if entry.outcome in UNFINISHED else None
        source = entry.source if entry.source == SERVED else None
        key = (entry.kind, entry.strategy, entry.extent, outcome, entry.cost.currency, entry.cost.machine, source)
        groups.setdefault(key, []).append(entry)
    ordered = sorted(groups.items(), key=lambda item: (list(EntryKind).index(item[0][0]), *map(str, item[0][1:])))
    return [_summarise_group(*key, group) for key, group in ordered]


def _summarise_group(
    kind: EntryKind,
    strategy: Strategy | None,
    extent: Extent | None,
    outcome: Outcome | None,
    currency: str,
    machine: Machine | None,
    source: str | None,
    group: Sequence[LedgerEntry],
) -> Summary:
    def spread(value: Callable[[LedgerEntry], float]) -> Spread:
        values = [value(entry) for entry in group]
        return Spread(median(values), min(values), max(values), sum(values))

    return Summary(
        kind,
        strategy,
        extent,
        outcome,
        currency,
        machine,
        len(group),
        sum(entry.n_queries or 0 for entry in group),
        wall_s=spread(lambda entry: entry.cost.use.wall_s),
        cpu_s=spread(lambda entry: entry.cost.use.cpu_s),
        gpu_s=spread(lambda entry: entry.cost.use.gpu_s),
        tokens=spread(lambda entry: entry.cost.use.tokens),
        bytes_written=Spread.of(
            entry.cost.use.bytes_written for entry in group if entry.cost.use.bytes_written is not None
        ),
        kwh=spread(lambda entry: entry.cost.use.kwh),
        money=spread(lambda entry: entry.cost.money),
        source=source,
    )
