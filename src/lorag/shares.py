"""Shares as whole numbers, so that a limit which is met exactly counts as met."""

import math
from collections.abc import Sequence
from fractions import Fraction

MAX_COUNTED = 1_000_000
"""A share of up to so many is recovered exactly from its float: fractions of such denominators lie further apart."""


def exact(share: float) -> Fraction:
    """Return the fraction that a share or a limit was before it became a float; raises ValueError for NaN.

    With it 20/20 less 19/20 is 0.05; as floats it is more.
    """
    return Fraction(share).limit_denominator(MAX_COUNTED)


def exact_mean(shares: Sequence[float]) -> Fraction | None:
    """Return the mean of shares; None for none, and where one is not a number."""
    if not shares or not all(map(math.isfinite, shares)):
        return None
    return sum(map(exact, shares), Fraction(0)) / len(shares)
