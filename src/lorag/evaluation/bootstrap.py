"""Intervals of shares and means by bootstrap over facts (Efron 1979; Koehn 2004 for paired differences)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

DIGITS = 6
"""Figures are rounded to this many digits, because the last bits of a sum depend on the processor."""


@dataclass(frozen=True, slots=True)
class Part:
    """The part of one question in the two sums of a ratio; parts of one `cluster`, a fact, are drawn together."""

    cluster: str
    numerator: float
    denominator: float = 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A ratio of sums (a mean is one too) with its interval; `n` parts went into it."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A bootstrap that draws facts with replacement `samples` times; equal facts and `seed` give the same draws.

    Intervals are percentiles. They do not cover the effect of another training seed. If all facts score 0, or all of
    them 1, every draw is alike, and the interval of an estimate is that of `share_interval` over the facts.
    """

    samples: int
    confidence: float
    seed: int

    def estimate(self, parts: Sequence[Part]) -> Estimate | None:
        """Return the sum of the numerators over that of the denominators; None if there is nothing to divide by."""
        known = [part for part in parts if part.denominator]
        if not known:
            return None
        clusters = sorted({part.cluster for part in known})
        above, below = _sums(known, clusters)
        if not above.any() or np.array_equal(above, below):
            alike = share_interval(len(clusters) if above.any() else 0, len(clusters), self.confidence)
            return replace(alike, n=len(known))
        drawn = self._ratios(above, below)
        return self._estimate(above.sum() / below.sum(), drawn, len(known))

    def difference(self, left: Sequence[Part], right: Sequence[Part]) -> Estimate | None:
        """Return `left` less `right`, both drawn with the same facts; None if either has nothing to divide by."""
        known = [[part for part in parts if part.denominator] for parts in (left, right)]
        if not all(known):
            return None
        clusters = sorted({part.cluster for parts in known for part in parts})
        (above, below), (other_above, other_below) = (_sums(parts, clusters) for parts in known)
        value = above.sum() / below.sum() - other_above.sum() / other_below.sum()
        drawn = self._ratios(above, below) - self._ratios(other_above, other_below)
        return self._estimate(value, drawn, len(known[0]))

    def _ratios(self, above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = _draw(len(above), self.samples, self.seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratios: NDArray[np.float64] = (counts @ above) / (counts @ below)
        return ratios

    def _estimate(self, value: float, drawn: NDArray[np.float64], n: int) -> Estimate:
        # A draw without any part that counts gives no ratio.
        known = drawn[np.isfinite(drawn)]
        tail = (1 - self.confidence) / 2
        low, high = np.quantile(known, [tail, 1 - tail]) if len(known) else (value, value)
        return Estimate(round(float(value), DIGITS), round(float(low), DIGITS), round(float(high), DIGITS), n)


def share_interval(found: int, asked: int, confidence: float) -> Estimate:
    """Return the share with its score interval (Wilson 1927), which has a width even if all answers are alike.

    It treats the answers as independent: several questions on one fact make it a little too narrow.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, spread = found / asked, z * z / asked
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / asked + spread / (4 * asked)) / (1 + spread)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return Estimate(round(share, DIGITS), round(low, DIGITS), round(high, DIGITS), asked)


def _sums(parts: Sequence[Part], clusters: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    places = {cluster: place for place, cluster in enumerate(clusters)}
    sums = np.zeros((2, len(clusters)))
    for part in parts:
        sums[:, places[part.cluster]] += (part.numerator, part.denominator)
    return sums[0], sums[1]


@lru_cache(maxsize=64)
def _draw(n: int, samples: int, seed: int) -> NDArray[np.float64]:
    """Return how often each of `n` facts is drawn [samples, n]."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=samples).astype(np.float64)
