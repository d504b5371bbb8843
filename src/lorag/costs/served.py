"""The cost of the answers that the service gave, and the traffic that follows from them."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any, Self

from lorag.costs.ledger import SERVED, EntryKind, Extent, Ledger, LedgerEntry, Outcome
from lorag.costs.records import Cost
from lorag.strategies import Strategy

WINDOW_DAYS = 30
"""The days, until today, whose questions and updates are the traffic."""


@dataclass(frozen=True, slots=True)
class ServedAnswers:
    """The cost of `n` answers on one day (UTC, as YYYY-MM-DD), from one release, by one strategy and one `settings`.

    `settings` is a digest of the model and the params that the cost depends on.
    """

    day: str
    release: str
    strategy: Strategy
    settings: str
    n: int
    cost: Cost

    @property
    def group(self) -> tuple[object, ...]:
        """What answers have in common that are added up."""
        return self.day, self.release, self.strategy, self.settings, self.cost.currency, self.cost.machine

    def plus(self, other: Self) -> Self:
        """Return both, of one group."""
        return replace(self, n=self.n + other.n, cost=self.cost.plus(other.cost))

    def entry(self) -> LedgerEntry:
        """Return them as an entry of the ledger, with the word `served` and the day in place of a run."""
        return LedgerEntry(
            EntryKind.ANSWERS,
            self.strategy,
            f"{SERVED}-{self.day}",
            self.release,
            f"{self.day}T00:00:00+00:00",
            self.cost,
            n_queries=self.n,
            source=SERVED,
            settings=self.settings,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"cost": self.cost.to_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; raises KeyError, TypeError or ValueError for others."""
        return cls(**{**value, "strategy": Strategy(value["strategy"]), "cost": Cost.from_json(value["cost"])})


def add_up(answers: Iterable[ServedAnswers]) -> list[ServedAnswers]:
    """Return one for each group, in the order of their first ones."""
    groups: dict[tuple[object, ...], ServedAnswers] = {}
    for each in answers:
        known = groups.get(each.group)
        groups[each.group] = known.plus(each) if known else each
    return list(groups.values())


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the service was asked, and how often its index changed, in the last `days` days."""

    days: int
    n_queries: int
    n_updates: int

    @property
    def queries_per_day(self) -> float:
        """The questions of an average day."""
        return self.n_queries / self.days

    @property
    def updates_per_day(self) -> float:
        """The refreshes of an average day that changed something and were published."""
        return self.n_updates / self.days

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"queries_per_day": self.queries_per_day, "updates_per_day": self.updates_per_day}


def find_traffic(ledger: Ledger, today: date) -> Traffic | None:
    """Return the traffic since the service answered first, at most of the last 30 days; None without an answer."""
    oldest = (today - timedelta(days=WINDOW_DAYS - 1)).isoformat()
    served = [e for e in ledger.entries if e.source == SERVED and oldest <= e.started_utc[:10] <= today.isoformat()]
    if not served:
        return None
    first = min(entry.started_utc[:10] for entry in served)
    # The first build is paid once, and is no update.
    updates = [
        entry
        for entry in ledger.of(EntryKind.REFRESH, None)
        if entry.outcome is Outcome.PUBLISHED and entry.extent is Extent.INCREMENTAL and entry.started_utc[:10] >= first
    ]
    n_queries = sum(entry.n_queries or 0 for entry in served)
    return Traffic((today - date.fromisoformat(first)).days + 1, n_queries, len(updates))
