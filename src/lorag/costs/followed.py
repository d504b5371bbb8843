"""The policy that a workspace follows: the one of params, and what was predicted when it was taken."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from lorag.costs.plan import Demand, Option
from lorag.costs.policies import Policy, Share
from lorag.costs.unit_costs import Band
from lorag.params import PolicyParams, PriceParams
from lorag.strategies import Strategy


def policy_in_force(params: PolicyParams, updates_per_day: float) -> Policy | None:
    """Return the policy of params at this number of updates a day; None if params name no strategy.

    A number of days is the number of updates in that time, at least one. What a removed document asks for is no part of
    it.
    """
    if params.strategy is None:
        return None
    kind = params.strategy.profile.adapter
    if kind is None:
        return Policy(params.strategy)
    rule = params.retrain[kind]
    by_days = None if rule.every_days is None else max(1, round(rule.every_days * updates_per_day))
    counts = [count for count in (rule.every_updates, by_days) if count is not None]
    return Policy(params.strategy, min(counts, default=None), rule.from_share)


@dataclass(frozen=True, slots=True)
class Followed:
    """A policy that was taken, and what was predicted of it at that time, at the prices of that time.

    `since_utc` is when it was taken, `release` what was served. The costs of an update and of a question are medians
    with their ranges; `update_s` is the time of an update, over refreshes and retrains. `fresh_s` is the longest time
    to fresh, None if it was not measured.
    """

    since_utc: str
    release: str | None
    demand: Demand
    policy: Policy
    currency: str
    prices: PriceParams
    cost_a_day: Band
    update: Band
    query: Band
    storage_a_day: float
    retrains_per_update: float
    accuracy: Share
    update_s: float
    fresh_s: float | None

    @classmethod
    def of(
        cls, option: Option, demand: Demand, prices: PriceParams, currency: str, release: str | None, since_utc: str
    ) -> Self | None:
        """Make the record of an option; None if its cost or its quality was not measured."""
        costs, course, accuracy = option.candidate.costs, option.candidate.course, option.accuracy
        if option.cost_a_day is None or costs is None or course is None or accuracy is None:
            return None
        return cls(
            since_utc,
            release,
            demand,
            option.policy,
            currency,
            prices,
            option.cost_a_day,
            costs.update,
            costs.query,
            costs.storage_a_day,
            course.retrains_per_update,
            accuracy,
            option.candidate.update_s,
            option.fresh_s,
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"prices": self.prices.model_dump(), "name": self.policy.name, "when": self.policy.when}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; raises KeyError, TypeError or ValueError for others."""
        policy = value["policy"]
        known = {
            "demand": Demand(**value["demand"]),
            "policy": Policy(**{**policy, "strategy": Strategy(policy["strategy"])}),
            "prices": PriceParams(**value["prices"]),
            "accuracy": Share(**value["accuracy"]),
            **{name: Band(**value[name]) for name in ("cost_a_day", "update", "query")},
        }
        return cls(**{name: each for name, each in value.items() if name not in ("name", "when")} | known)
