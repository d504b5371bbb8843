"""Shares as whole numbers, so that a limit which is met exactly counts as met."""

import math
from collections.abc import Sequence
from fractions import Fraction

MAX_COUNTED = 1_000_000
"""The greatest denominator of a share that is recovered exactly from its float: such fractions lie further apart."""


def exact(share: float) -> Fraction:
    """Return the fraction that a share or a limit was before it became a float; raises ValueError for NaN.

    As fractions, 20/20 less 19/20 is 0.05; as floats it is more.
    """
    return Fraction(share).limit_denominator(MAX_COUNTED)


def exact_mean(shares: Sequence[float]) -> Fraction | None:
    """Return the mean of shares; None if there are none or if one is not finite."""
    if not shares or not all(map(math.isfinite, shares)):
        return None
    return sum(map(exact, shares), Fraction(0)) / len(shares)
