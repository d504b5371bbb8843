"""A walk through the versions of the knowledge, as reports/timeline.json keeps it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from lorag.costs.ledger import TimeToFresh
from lorag.costs.records import Cost
from lorag.evaluation.bootstrap import Estimate
from lorag.evaluation.timeline import MEASURES
from lorag.strategies import Strategy

NAME = "timeline.json"
"""The report of a walk."""


class Moment(StrEnum):
    """The moment at which a strategy was asked: after the refresh alone, or after the retrain too."""

    REFRESHED = "refreshed"
    RETRAINED = "retrained"


@dataclass(frozen=True, slots=True)
class Freshness:
    """The time until a change was answered.

    `published_s` is the time from the change to the release that was asked. `time_to_fresh_s` is the time to the first
    right answer from that release, with the loading of models but without the walk's own measuring. If it is None,
    `reason` says why. `asked` is the number of questions that were asked.
    """

    published_s: float | None
    time_to_fresh_s: float | None
    asked: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A strategy at a moment of a step.

    `is_stale` says that the adapter is from before the change. `figures` are those of `MEASURES` that have questions;
    `missing` says why there are none. `cost` is that of the update, None if there was nothing to do. `failed_probes`
    are those by which the gate refused the new adapter, so that the previous one answers.
    """

    strategy: Strategy
    moment: Moment
    is_stale: bool
    adapter_sha256: str | None
    figures: Mapping[str, Estimate]
    fresh: Freshness
    cost: Cost | None
    failed_probes: tuple[str, ...] = ()
    missing: str | None = None

    @property
    def name(self) -> str:
        """The name of the strategy, with a note if its adapter is stale."""
        return f"{self.strategy}, stale adapter" if self.is_stale else self.strategy

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "cost": self.cost.to_json() if self.cost else None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        return cls(
            **{
                **value,
                "strategy": Strategy(value["strategy"]),
                "moment": Moment(value["moment"]),
                "figures": {name: Estimate(**found) for name, found in value["figures"].items()},
                "fresh": Freshness(**value["fresh"]),
                "cost": Cost.from_json(value["cost"]) if value["cost"] else None,
                "failed_probes": tuple(value["failed_probes"]),
            }
        )


@dataclass(frozen=True, slots=True)
class AgedRow:
    """A strategy with an adapter that was trained `age` versions before; `figures` as in `TimelineRow`."""

    strategy: Strategy
    age: int
    adapter_sha256: str
    figures: Mapping[str, Estimate]

    @property
    def name(self) -> str:
        """The name of the strategy with the age of its adapter."""
        return f"{self.strategy}, {self.age} version{'s' if self.age > 1 else ''} old"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        figures = {name: Estimate(**found) for name, found in value["figures"].items()}
        return cls(Strategy(value["strategy"]), value["age"], value["adapter_sha256"], figures)


@dataclass(frozen=True, slots=True)
class TimelineStep:
    """A version of the knowledge with the results of all strategies on it.

    `facts` counts questions by the change of their fact. `interrupted` says that a killed walk had started the step, so
    a part of its work may be missing from the costs. `aged` has the adapters of earlier versions that are in no row.
    `changed_since[n - 1]` is the share of the facts of n versions before that changed or were removed since. Both are
    empty in a walk of an earlier version of lorag.
    """

    version: str
    release: str
    facts: Mapping[str, int]
    interrupted: bool
    rows: tuple[TimelineRow, ...]
    aged: tuple[AgedRow, ...] = ()
    changed_since: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Timeline:
    """The steps in order. `limit` is the greatest number of facts that were asked, None for all."""

    steps: tuple[TimelineStep, ...]
    limit: int | None
    confidence: float
    model: str

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the content of reports/timeline.json."""
        steps = [
            {
                **asdict(step),
                "rows": [row.to_json() for row in step.rows],
                "aged": [row.to_json() for row in step.aged],
                "changed_since": list(step.changed_since),
            }
            for step in self.steps
        ]
        return {**asdict(self), "steps": steps}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        steps = tuple(
            TimelineStep(
                **{
                    **step,
                    "rows": tuple(TimelineRow.from_json(row) for row in step["rows"]),
                    "aged": tuple(AgedRow.from_json(row) for row in step.get("aged", ())),
                    "changed_since": tuple(step.get("changed_since", ())),
                }
            )
            for step in value["steps"]
        )
        return cls(**{**value, "steps": steps})

    def times_to_fresh(self) -> tuple[TimeToFresh, ...]:
        """Return the times to fresh, one for each strategy and each step in which the change was answered right.

        The first version is left out, because it is a build and not a change. If the refresh was enough for a strategy,
        its time does not include the retrain.
        """
        found = []
        for step in self.steps[1:]:
            seconds: dict[Strategy, list[float]] = {}
            for row in step.rows:
                if row.fresh.time_to_fresh_s is not None:
                    seconds.setdefault(row.strategy, []).append(row.fresh.time_to_fresh_s)
            found += [TimeToFresh(strategy, min(times), "") for strategy, times in seconds.items()]
        return tuple(found)

    def table(self) -> Iterator[dict[str, Any]]:
        """Yield a line for each row of each step, for reports/timeline.csv."""
        for number, step in enumerate(self.steps, start=1):
            for row in step.rows:
                yield {
                    "step": number,
                    "version": step.version,
                    "strategy": row.name,
                    "moment": row.moment.value,
                    **{name: _value(row.figures.get(name)) for name in MEASURES},
                    "published_s": row.fresh.published_s,
                    "time_to_fresh_s": row.fresh.time_to_fresh_s,
                    **(dict.fromkeys(_COSTS) if row.cost is None else _costs(row.cost)),
                    "failed_probes": "; ".join(row.failed_probes),
                }
            for aged in step.aged:
                yield {
                    "step": number,
                    "version": step.version,
                    "strategy": aged.name,
                    "moment": Moment.REFRESHED.value,
                    **{name: _value(aged.figures.get(name)) for name in MEASURES},
                    **dict.fromkeys(("published_s", "time_to_fresh_s", *_COSTS)),
                    "failed_probes": "",
                }

    def accuracies(self) -> Iterator[dict[str, Any]]:
        """Yield a line for each version, for reports/timeline_accuracy.csv: each strategy's accuracy after all updates.

        The accuracy is None for a strategy that was not asked.
        """
        for number, step in enumerate(self.steps, start=1):
            # The row after the retrain comes later than the one after the refresh, and replaces it.
            found = {row.strategy: _value(row.figures.get("accuracy")) for row in step.rows if row.figures}
            yield {"step": number, "version": step.version, **{strategy: found.get(strategy) for strategy in Strategy}}


_COSTS = ("wall_s", "cpu_s", "gpu_s", "tokens_embedded", "tokens_trained", "bytes_written", "kwh", "money", "currency")


def _costs(cost: Cost) -> dict[str, Any]:
    values = cost.to_json()
    return {name: values[name] for name in _COSTS}


def _value(found: Estimate | None) -> float | None:
    return None if found is None else found.value
