"""The policy to take for a load: one rule decides, for `lorag plan` and for `lorag advise`."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from lorag.costs.evidence import SECONDS_A_DAY, show_seconds
from lorag.costs.policies import Candidate, Policy, Share
from lorag.costs.served import Traffic
from lorag.costs.unit_costs import Band, Missing
from lorag.counted import counted, noun_for
from lorag.params import AdviceParams
from lorag.shares import exact

_STEPS_A_DECADE = 16
_HALVINGS = 20


@dataclass(frozen=True, slots=True)
class Demand:
    """The load, with more than 0 updates a day, and the limits that a policy must keep; None for no limit."""

    updates_per_day: float
    queries_per_day: float
    min_accuracy: float | None = None
    max_staleness_s: float | None = None
    budget: float | None = None

    @property
    def load(self) -> str:
        """The load in words."""
        updates, queries = self.updates_per_day, round(self.queries_per_day)
        return f"{updates:,.3g} {noun_for(updates, 'update')} and {counted(queries, 'query')} a day"


@dataclass(frozen=True, slots=True)
class Option:
    """A candidate under a demand.

    `fresh_s` is the longest time from a change to the first right answer, None if that never comes or was not measured.
    `against` says which limits it breaks. `on_frontier`: no policy answers more right for less.
    """

    candidate: Candidate
    cost_a_day: Band | None
    fresh_s: float | None
    against: tuple[str, ...] = ()
    on_frontier: bool = False

    @property
    def policy(self) -> Policy:
        """The policy."""
        return self.candidate.policy

    @property
    def accuracy(self) -> Share | None:
        """The share of right answers to all facts; None if it was not measured."""
        course = self.candidate.course
        return course.right.get("accuracy") if course else None

    @property
    def is_known(self) -> bool:
        """Whether its cost and its quality were measured."""
        return self.cost_a_day is not None and self.accuracy is not None

    @property
    def schedule(self) -> object:
        """What it does; policies of one schedule differ in name alone."""
        course = self.candidate.course
        return self.policy.strategy, course and (course.n_updates, course.n_retrains)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return self.candidate.to_json() | {
            "cost_a_day": asdict(self.cost_a_day) if self.cost_a_day else None,
            "time_to_fresh_s": self.fresh_s,
            "never_fresh": self.candidate.is_never_fresh,
            "on_frontier": self.on_frontier,
            "against": list(self.against),
        }


@dataclass(frozen=True, slots=True)
class Turn:
    """The load at which another policy is to be taken; `policy` is None if none is."""

    axis: str
    at: float
    is_above: bool
    policy: str | None


@dataclass(frozen=True, slots=True)
class Choice:
    """All options, cheapest first, the one to take and the next best; None if there is none. `reason` is a clause."""

    options: tuple[Option, ...]
    taken: Option | None
    next_best: Option | None
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The choice for a demand, and the loads at which it turns.

    `missing` is what keeps anything from being planned. `n_elsewhere` entries of the ledger were measured on another
    machine and do not count. `traffic` is that of the service, where the load comes from it; None if it was given.
    """

    demand: Demand
    choice: Choice
    turns: tuple[Turn, ...]
    currency: str
    confidence: float
    missing: tuple[Missing, ...] = ()
    n_elsewhere: int = 0
    traffic: Traffic | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag plan --json` prints."""
        taken, following = self.choice.taken, self.choice.next_best
        return {
            "demand": asdict(self.demand),
            "currency": self.currency,
            "confidence": self.confidence,
            "taken": taken and taken.policy.name,
            "next_best": following and following.policy.name,
            "reason": self.choice.reason,
            "params": taken and {"policy": taken.policy.values},
            "policies": [option.to_json() for option in self.choice.options],
            "turns": [asdict(turn) for turn in self.turns],
            "missing": [asdict(one) for one in self.missing],
            "n_elsewhere": self.n_elsewhere,
            "traffic": self.traffic and self.traffic.to_json(),
        }


def choose(candidates: Sequence[Candidate], demand: Demand, params: AdviceParams) -> Choice:
    """Take the cheapest policy that keeps every limit and answers enough right.

    Enough is `min_accuracy`, or without it no more than `params.max_accuracy_loss` below the best of those that keep
    the limits. Equal costs are decided by right answers.
    """
    options = [_weigh(one, demand, params) for one in candidates]
    kept = [option for option in options if option.is_known and not option.against]
    best = max((_right(option) for option in kept), default=0.0)
    floor = exact(best) - exact(params.max_accuracy_loss) if demand.min_accuracy is None else exact(demand.min_accuracy)
    few = f"fewer right answers than {float(floor):.1%}"
    options = [
        replace(option, against=(*option.against, few)) if option.is_known and exact(_right(option)) < floor else option
        for option in options
    ]
    options = sorted(_with_frontier(options), key=_rank)
    good = [option for option in options if option.is_known and not option.against]
    taken = good[0] if good else None
    others = [option for option in good if taken and option.schedule != taken.schedule]
    return Choice(tuple(options), taken, others[0] if others else None, _reason(options, good, demand, params))


def find_turns(
    candidates: Sequence[Candidate],
    demand: Demand,
    params: AdviceParams,
    updates: tuple[float, float],
    queries: tuple[float, float],
) -> tuple[Turn, ...]:
    """Return the nearest loads, within both ranges, at which `choose` takes another policy: fewer and more of each."""

    def at(axis: str, value: float) -> Demand:
        return replace(demand, **{f"{axis}_per_day": value})

    def taken(load: Demand) -> str | None:
        found = choose(candidates, load, params).taken
        return found.policy.name if found else None

    def is_other(axis: str, value: float) -> bool:
        return taken(at(axis, value)) != taken_here

    taken_here = taken(demand)
    axes = (("updates", demand.updates_per_day, updates), ("queries", demand.queries_per_day, queries))
    found = []
    for axis, here, (least, greatest) in axes:
        for end in (least, greatest):
            turned = _first_where(partial(is_other, axis), here or least, end)
            if turned is not None:
                found.append(Turn(axis, turned, turned > here, taken(at(axis, turned))))
    return tuple(found)


def _first_where(is_other: Callable[[float], bool], start: float, end: float) -> float | None:
    """Return the first value on the way from `start` to `end`, both above 0, for which it holds; None if for none."""
    steps = max(1, math.ceil(abs(math.log10(end / start)) * _STEPS_A_DECADE))
    last = start
    for step in range(1, steps + 1):
        value = start * math.pow(end / start, step / steps)
        if is_other(value):
            for _ in range(_HALVINGS):
                middle = math.sqrt(last * value)
                last, value = (last, middle) if is_other(middle) else (middle, value)
            return value
        last = value
    return None


def _weigh(one: Candidate, demand: Demand, params: AdviceParams) -> Option:
    cost = one.costs.range_a_day(demand.updates_per_day, demand.queries_per_day) if one.costs else None
    wait = one.waits * SECONDS_A_DAY / demand.updates_per_day
    fresh = None if one.is_never_fresh or one.fresh_s is None else one.fresh_s + wait
    return Option(one, cost, fresh, tuple(_broken_limits(one, cost, fresh, demand, params)))


def _broken_limits(
    one: Candidate, cost: Band | None, fresh: float | None, demand: Demand, params: AdviceParams
) -> Iterator[str]:
    share = one.update_s * demand.updates_per_day / SECONDS_A_DAY
    if share > params.max_update_share:
        yield f"its updates take {share:.0%} of the day"
    if demand.max_staleness_s is not None:
        if one.is_never_fresh:
            yield "a change never reaches its answers"
        elif fresh is None:
            yield "its time to fresh was not measured"
        elif fresh > demand.max_staleness_s:
            yield f"a change may wait longer than {show_seconds(demand.max_staleness_s)}"
    if demand.budget is not None and cost is not None and cost.median > demand.budget:
        yield "over the budget"


def _with_frontier(options: Sequence[Option]) -> list[Option]:
    known = sorted((option for option in options if option.is_known), key=_rank)
    best, frontier = -1.0, set()
    for option in known:
        if _right(option) > best:
            best = _right(option)
            frontier.add(option.policy)
    return [replace(option, on_frontier=option.policy in frontier) for option in options]


def _rank(option: Option) -> tuple[float, float]:
    return (option.cost_a_day.median if option.cost_a_day else float("inf"), -_right(option))


def _right(option: Option) -> float:
    return option.accuracy.value if option.accuracy else 0.0


def _reason(options: Sequence[Option], good: Sequence[Option], demand: Demand, params: AdviceParams) -> str:
    if not any(option.is_known for option in options):
        return "too little was measured to choose a policy"
    if not good:
        return "no measured policy keeps all limits"
    if demand.min_accuracy is not None:
        return f"the cheapest policy that answers at least {demand.min_accuracy:.0%} right"
    points = f"{100 * params.max_accuracy_loss:g} points"
    return f"the cheapest policy within {points} of the most right answers"
