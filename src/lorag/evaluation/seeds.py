"""The figures of one adapter under several training seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean, stdev
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class SeedResult:
    """The adapter of one seed; `figures` are shares by measure, for those measures of a comparison that it has."""

    seed: int
    sha256: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SeedsReport:
    """The results of adapters that differ in the seed only."""

    strategy: str
    training_set_digest: str
    results: tuple[SeedResult, ...]

    @property
    def spreads(self) -> dict[str, dict[str, float | None]]:
        """The mean, least, greatest and standard deviation of each measure; the deviation is None for a single seed.

        If some seeds lack a measure, such as one of citations when nothing was cited, the others give its spread.
        """
        names = dict.fromkeys(name for result in self.results for name in result.figures)
        return {name: _spread([r.figures[name] for r in self.results if name in r.figures]) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return the content of reports/seeds_<strategy>.json."""
        return {**asdict(self), "spreads": self.spreads}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned."""
        results = tuple(SeedResult(**each) for each in value["results"])
        return cls(value["strategy"], value["training_set_digest"], results)


def _spread(values: Sequence[float]) -> dict[str, float | None]:
    deviation = stdev(values) if len(values) > 1 else None
    return {"mean": mean(values), "least": min(values), "greatest": max(values), "sd": deviation}
