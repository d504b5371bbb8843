"""Policies: a strategy and when it is retrained, with what was measured of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from lorag.costs.evidence import middle
from lorag.costs.remedies import TIMELINE
from lorag.costs.unit_costs import Measured, Missing, Unit, UnitCosts, unit_costs
from lorag.params import PriceParams
from lorag.strategies import Strategy, Update

RIGHT = ("accuracy", "changed", "added", "unchanged", "removed", "controls")
"""The shares of right answers: of all facts, of those of each change, and of questions beside the documents.

A removed fact is answered right if it is no longer answered as before.
"""


@dataclass(frozen=True, slots=True)
class Share:
    """A share of right answers with its interval."""

    value: float
    low: float
    high: float


Shares = Mapping[str, Share]
"""Shares by their name in `RIGHT`; what was not measured is missing."""


@dataclass(frozen=True, slots=True)
class Curve:
    """The measured quality of a strategy by the age of its adapter, counted in versions of the knowledge.

    `trained` is what was served after a retrain that was due, so a refused adapter counts with the one that answered
    instead; for a strategy without an adapter it is all there is. `aged[n - 1]` is the quality n versions after the
    training, and `changed[n - 1]` the share of answers that changed or were removed in that time.
    """

    trained: Shares
    aged: tuple[Shares, ...] = ()
    changed: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """A strategy, retrained with each `every`-th update or once a `share` of the answers changed; neither: never.

    With both, whichever comes first.
    """

    strategy: Strategy
    every: int | None = None
    share: float | None = None

    @property
    def name(self) -> str:
        """The name, unique among the policies of a plan."""
        if self.strategy.profile.adapter is None:
            return self.strategy
        rules = [] if self.every is None else [f"every {self.every if self.every > 1 else 'update'}"]
        rules += [] if self.share is None else [f"at {self.share:.0%}"]
        return f"{self.strategy}, {' or '.join(rules) or 'once'}"

    @property
    def when(self) -> str:
        """When it is retrained, in words."""
        if self.strategy.profile.adapter is None:
            return "nothing is trained"
        rules = [] if self.every is None else [f"with every {f'{self.every} updates' if self.every > 1 else 'update'}"]
        rules += [] if self.share is None else [f"when {self.share:.0%} of the answers changed or were removed"]
        return f"retrained {' or '.join(rules)}" if rules else "trained once and never again"

    @property
    def values(self) -> dict[str, Any]:
        """The values of the section `policy` of params.yaml that put it in force.

        They say nothing of what a removed document asks for.
        """
        kind = self.strategy.profile.adapter
        if kind is None:
            return {"strategy": self.strategy.value}
        rule = {"every_updates": self.every, "every_days": None, "from_share": self.share}
        return {"strategy": self.strategy.value, "retrain": {kind.value: rule}}

    def is_due(self, age: int, changed: float) -> bool:
        """Whether a retrain is due at this age, with this share of the answers changed since the training."""
        by_age = self.every is not None and age >= self.every
        return by_age or (self.share is not None and changed >= self.share)


@dataclass(frozen=True, slots=True)
class Course:
    """What happens under a policy over updates, one after another, until it repeats or nothing more was measured.

    `right` are means over the `n_updates`. Only a course that `repeats` says what comes after them.
    """

    n_updates: int
    n_retrains: int
    right: Shares
    repeats: bool

    @property
    def retrains_per_update(self) -> float:
        """The retrains that are due for each update."""
        return self.n_retrains / self.n_updates


@dataclass(frozen=True, slots=True)
class Candidate:
    """A policy with what was measured of it, whatever the load.

    `course` and `costs` are None if they were not measured; `missing` says what is. `update_s` is the time that an
    update takes, over refreshes and retrains; `fresh_s` the time from an update that reaches the answers to the first
    right one, None if it was not measured.
    """

    policy: Policy
    course: Course | None
    costs: UnitCosts | None
    update_s: float
    fresh_s: float | None
    missing: tuple[Missing, ...] = ()

    @property
    def is_never_fresh(self) -> bool:
        """Whether no change ever reaches its answers."""
        return not self._follows and not (self.course and self.course.n_retrains)

    @property
    def waits(self) -> int:
        """The updates for which a change may wait until one reaches the answers."""
        return 0 if self._follows or self.course is None else self.course.n_updates - 1

    @property
    def _follows(self) -> bool:
        return Update.REFRESH in self.policy.strategy.profile.updates

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        course, costs = self.course, self.costs
        return {
            "policy": self.policy.name,
            "strategy": self.policy.strategy,
            "every": self.policy.every,
            "share": self.policy.share,
            "when": self.policy.when,
            "retrains_per_update": course and course.retrains_per_update,
            "n_updates": course and course.n_updates,
            "repeats": course and course.repeats,
            "right": {name: asdict(share) for name, share in course.right.items()} if course else {},
            "update": asdict(costs.update) if costs else None,
            "query": asdict(costs.query) if costs else None,
            "storage_a_day": costs and costs.storage_a_day,
            "update_s": self.update_s,
            "missing": [asdict(one) for one in self.missing],
        }


def policies(curves: Mapping[Strategy, Curve], share: float) -> Iterator[Policy]:
    """Yield the policies that the curves can judge: with every update, every 2, 4, 8 and so on, at `share`, once."""
    for strategy, curve in curves.items():
        if strategy.profile.adapter is None:
            yield Policy(strategy)
            continue
        for power in count():
            if 2**power > len(curve.aged) + 1:
                break
            yield Policy(strategy, every=2**power)
        yield Policy(strategy, share=share)
        yield Policy(strategy)


def simulate(policy: Policy, curve: Curve) -> Course | None:
    """Walk through updates and look up the quality after each; None if the walk was too short to say."""
    if policy.strategy.profile.adapter is None:
        return Course(1, 0, curve.trained, repeats=True)
    served: list[Shares] = []
    for age in count(1):
        if policy.share is not None and age > len(curve.changed):
            return None
        if policy.is_due(age, curve.changed[age - 1] if policy.share is not None else 0.0):
            return Course(age, 1, _mean([*served, curve.trained]), repeats=True) if curve.trained else None
        if age > len(curve.aged):
            break
        served.append(curve.aged[age - 1])
    is_endless = policy.every is None and policy.share is None
    return Course(len(served), 0, _mean(served), repeats=False) if is_endless and served else None


def candidates(
    measured: Sequence[Measured], curves: Mapping[Strategy, Curve], share: float, unit: Unit, prices: PriceParams
) -> tuple[Candidate, ...]:
    """Return each policy with its quality from the curves and its costs from the ledger; no retrain is left out."""
    known = {one.strategy: one for one in measured}
    return tuple(
        _candidate(policy, curves[policy.strategy], known[policy.strategy], unit, prices)
        for policy in policies(curves, share)
    )


def _candidate(policy: Policy, curve: Curve, measured: Measured, unit: Unit, prices: PriceParams) -> Candidate:
    course = simulate(policy, curve)
    never = policy.every is None and policy.share is None
    missing = measured.missing(retrains=not never)
    if course is None:
        missing.append(Missing(f"the answers under {policy.name}", f"{TIMELINE} over more versions"))
    if course is None or missing:
        return Candidate(policy, course, None, 0.0, measured.time_to_fresh_s, tuple(missing))
    costs = unit_costs(measured, unit, prices, course.retrains_per_update)
    seconds = _update_seconds(measured, course.retrains_per_update)
    return Candidate(policy, course, costs, seconds, measured.time_to_fresh_s)


def _update_seconds(measured: Measured, retrains: float) -> float:
    refreshes = measured.updates[0] if Update.REFRESH in measured.strategy.profile.updates else ()
    parts = (
        (middle(entries, lambda entry: entry.cost.use.wall_s), times)
        for entries, times in ((refreshes, 1.0), (measured.due, retrains))
    )
    return sum(part.value * times for part, times in parts if part is not None)


def _mean(states: Sequence[Shares]) -> Shares:
    """Return the mean of each share over the states that have it, the bounds of its interval averaged too.

    The states ask much the same facts, so their errors go together and a mean is not more certain than its parts.
    """
    found: dict[str, Share] = {}
    for name in RIGHT:
        shares = [state[name] for state in states if name in state]
        if shares:
            means = (sum(getattr(share, part) for share in shares) / len(shares) for part in ("value", "low", "high"))
            found[name] = Share(*means)
    return found
