"""What a followed plan predicted beside what the ledger holds since."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lorag.costs.evidence import SECONDS_A_DAY
from lorag.costs.followed import Followed
from lorag.costs.ledger import SERVED, EntryKind, Extent, Ledger, LedgerEntry, Outcome
from lorag.costs.plan import Choice
from lorag.costs.prices import price_storage
from lorag.costs.remedies import COMPARE, TIMELINE
from lorag.costs.unit_costs import DAYS_A_MONTH
from lorag.strategies import Strategy, Update


@dataclass(frozen=True, slots=True)
class Beside:
    """A predicted figure beside the real one; None for what was not measured, and then `do` says what measures it."""

    what: str
    unit: str
    predicted: float | None
    real: float | None
    do: str | None = None

    @property
    def ratio(self) -> float | None:
        """The real figure by the predicted one; None without both, or if the predicted one is 0."""
        return self.real / self.predicted if self.real is not None and self.predicted else None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"ratio": self.ratio}


@dataclass(frozen=True, slots=True)
class Passed:
    """What was paid since a plan was followed, in whole days from the next one on (UTC), as the service is counted.

    `updates`, `retrains` and `answers` are those of the policy's strategy; `others` is what was paid for other
    strategies. `n_updates` are the refreshes that changed something and were served; `n_queries` were asked in all.
    `accuracy` is that of the newest comparison of all questions in this time.
    """

    days: float
    n_updates: int
    n_queries: int
    updates: tuple[LedgerEntry, ...]
    retrains: tuple[LedgerEntry, ...]
    answers: tuple[LedgerEntry, ...]
    others: tuple[LedgerEntry, ...]
    accuracy: float | None

    @property
    def updates_per_day(self) -> float:
        """The updates of an average day."""
        return self.n_updates / self.days

    @property
    def queries_per_day(self) -> float:
        """The questions of an average day."""
        return self.n_queries / self.days

    @property
    def n_retrains(self) -> int:
        """The retrains that trained something, whatever their gate said."""
        trained = (Outcome.PUBLISHED, Outcome.REFUSED, None)
        return sum(one.outcome in trained and one.extent is not Extent.UNCHANGED for one in self.retrains)


@dataclass(frozen=True, slots=True)
class PlanCheck:
    """A followed plan and what became of it.

    `passed` is None before the first whole day. `in_force` says what params hold now; `is_in_force` whether that is
    what was followed. `choice` is the one at the real load, by today's figures; None if it cannot be made, and `reason`
    says why.
    """

    followed: Followed
    passed: Passed | None
    rows: tuple[Beside, ...]
    in_force: str
    is_in_force: bool
    choice: Choice | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag plan --check --json` prints."""
        taken = self.choice.taken if self.choice else None
        passed = self.passed
        return {
            "followed": self.followed.to_json(),
            "in_force": self.in_force,
            "is_in_force": self.is_in_force,
            "days": passed.days if passed else None,
            "n_updates": passed.n_updates if passed else None,
            "n_queries": passed.n_queries if passed else None,
            "n_retrains": passed.n_retrains if passed else None,
            "cost_of_others": _money(passed.others) if passed else None,
            "figures": [row.to_json() for row in self.rows],
            "now": taken.policy.name if taken else None,
            "would_change": taken.policy.name != self.followed.policy.name if taken else None,
            "reason": self.reason,
        }


def first_day(since_utc: str) -> datetime:
    """Return when the first whole day (UTC) after a moment begins."""
    since = datetime.fromisoformat(since_utc).astimezone(UTC)
    return datetime(since.year, since.month, since.day, tzinfo=UTC) + timedelta(days=1)


def find_passed(ledger: Ledger, followed: Followed, now: datetime) -> Passed | None:
    """Return what the ledger, at the followed plan's prices, holds since; None before the first whole day."""
    start = first_day(followed.since_utc)
    days = (now - start).total_seconds() / SECONDS_A_DAY
    if days <= 0:
        return None
    strategy = followed.policy.strategy
    entries = [one for one in ledger.entries if start <= datetime.fromisoformat(one.started_utc).astimezone(UTC) <= now]
    refreshes = [one for one in entries if one.kind is EntryKind.REFRESH]
    retrains = [one for one in entries if one.kind is EntryKind.RETRAIN]
    answers = [one for one in entries if one.source == SERVED]
    reads = Update.REFRESH in strategy.profile.updates
    others = [one for one in (*retrains, *answers) if one.strategy is not strategy]
    return Passed(
        days,
        sum(one.outcome is Outcome.PUBLISHED and one.extent is Extent.INCREMENTAL for one in refreshes),
        sum(one.n_queries or 0 for one in answers),
        tuple(refreshes) if reads else (),
        _of(retrains, strategy),
        _of(answers, strategy),
        tuple(others if reads else [*refreshes, *others]),
        _accuracy(entries, strategy),
    )


def compare_with(
    followed: Followed, passed: Passed, stored_bytes: int | None, fresh_s: float | None
) -> Iterator[Beside]:
    """Yield the predicted figures beside the real ones; `fresh_s` is the time to fresh of a walk since then, if any."""
    storage = price_storage(stored_bytes or 0, followed.prices) / DAYS_A_MONTH
    updates, answers = (*passed.updates, *passed.retrains), passed.answers
    n_answers = sum(one.n_queries or 0 for one in answers)
    paid = (_money(updates) + _money(answers)) / passed.days + storage
    at_this_load = (
        passed.updates_per_day * followed.update.median
        + passed.queries_per_day * followed.query.median
        + followed.storage_a_day
    )
    n_updates, currency = passed.n_updates, followed.currency
    seconds = sum(one.cost.use.wall_s for one in updates) / n_updates if n_updates else None
    yield Beside("updates a day", "", followed.demand.updates_per_day, passed.updates_per_day)
    yield Beside("queries a day", "", followed.demand.queries_per_day, passed.queries_per_day)
    yield Beside("cost a day", currency, followed.cost_a_day.median, paid)
    yield Beside("cost a day, predicted for the real load", currency, at_this_load, paid)
    yield Beside("an update", currency, followed.update.median, _money(updates) / n_updates if n_updates else None)
    of_1000 = 1000 * _money(answers) / n_answers if n_answers else None
    yield Beside("1,000 questions", currency, 1000 * followed.query.median, of_1000)
    real_retrains = passed.n_retrains / n_updates if n_updates else None
    yield Beside("retrains an update", "", followed.retrains_per_update, real_retrains)
    yield Beside("time of an update", "s", followed.update_s, seconds)
    yield Beside("right answers", "", followed.accuracy.value, passed.accuracy, COMPARE)
    yield Beside("time to fresh", "s", followed.fresh_s, fresh_s, TIMELINE)


def _of(entries: Sequence[LedgerEntry], strategy: Strategy) -> tuple[LedgerEntry, ...]:
    return tuple(one for one in entries if one.strategy is strategy)


def _money(entries: Sequence[LedgerEntry]) -> float:
    return sum(one.cost.money for one in entries)


def _accuracy(entries: Sequence[LedgerEntry], strategy: Strategy) -> float | None:
    """Return that of the newest batch of all questions; the entries are newest first."""
    known = (
        one.quality["accuracy"]
        for one in entries
        if one.strategy is strategy and not one.is_look and one.quality and "accuracy" in one.quality
    )
    return next(known, None)
