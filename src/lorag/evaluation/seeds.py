"""The figures of one adapter under several training seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class SeedResult:
    """One seed's adapter; `figures` are shares by the names of those measures of a comparison that it has."""

    seed: int
    sha256: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SeedsReport:
    """Adapters that differ in nothing but the seed."""

    strategy: str
    training_set_digest: str
    results: tuple[SeedResult, ...]

    @property
    def spreads(self) -> dict[str, dict[str, float | None]]:
        """By measure: mean, least, greatest and the standard deviation, None of a single seed.

        A measure that some seeds lack, such as one of citations where nothing was cited, is spread over the others.
        """
        names = dict.fromkeys(name for result in self.results for name in result.figures)
        return {name: _spread([r.figures[name] for r in self.results if name in r.figures]) for name in names}

    def to_json(self) -> dict[str, Any]:
        """reports/seeds_<strategy>.json."""
        return {**asdict(self), "spreads": self.spreads}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        results = tuple(SeedResult(**each) for each in value["results"])
        return cls(value["strategy"], value["training_set_digest"], results)


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    deviation = stdev(values) if len(values) > 1 else None
    return {"mean": mean(values), "least": min(values), "greatest": max(values), "sd": deviation}
