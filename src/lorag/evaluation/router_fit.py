"""The fit of a router on questions whose right strategies are known, and its choices for others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from lorag.answering.routing import FEATURES, Router, Signals
from lorag.digests import digest_of
from lorag.evaluation.bootstrap import DIGITS
from lorag.evaluation.question_set import Topic
from lorag.strategies import Strategy

_RIDGE = 1.0
_RIDGE_OF_CONSTANT = 0.05
"""How strongly weights of standardised features, and the constant, are drawn to 0; so a fit always has an end."""

_STEPS = 30


@dataclass(frozen=True, slots=True)
class Case:
    """A question, whether each strategy answers it right, and the seconds that each takes.

    Questions on the same fact have one `cluster`. `seconds` include the search of a strategy that reads; `look_s` is
    what reading the signals costs, which a strategy that does not read pays in addition. Only strategies in `able` can
    be chosen.
    """

    topic: Topic
    cluster: str
    signals: Signals
    right: Mapping[Strategy, bool]
    seconds: Mapping[Strategy, float]
    look_s: float
    able: frozenset[Strategy]

    def seconds_of(self, chosen: Strategy) -> float:
        """Return the seconds of an answer for which the strategy was chosen by the signals."""
        return self.seconds[chosen] + (0.0 if chosen.profile.reads else self.look_s)


@dataclass(frozen=True, slots=True)
class Choice:
    """The strategy that was chosen for a case, with its expected chance to be right."""

    strategy: Strategy
    chance: float


def halve(cases: Sequence[Case]) -> list[bool]:
    """Return for each case whether it is in the test half.

    Each topic is halved by a hash of its clusters, so that questions on one fact stay together.
    """
    clusters = sorted({(case.topic.value, digest_of(["routing", case.cluster]), case.cluster) for case in cases})
    is_test = {
        (topic, cluster): bool(number % 2)
        for topic, group in groupby(clusters, key=lambda each: each[0])
        for number, (_, _, cluster) in enumerate(group)
    }
    return [is_test[case.topic.value, case.cluster] for case in cases]


def fit_router(cases: Sequence[Case], strategies: Sequence[Strategy]) -> Router:
    """Return a logistic regression for each strategy, by Newton's method with a ridge."""
    values = np.array([case.signals.values for case in cases])
    return Router({each: _fit(values, np.array([float(case.right[each]) for case in cases])) for each in strategies})


def choose_all(cases: Sequence[Case], router: Router) -> list[Choice]:
    """Return the router's choice for each case."""
    chosen = [router.choose(case.signals, case.able) for case in cases]
    return [Choice(name, router.chances(case.signals)[name]) for case, name in zip(cases, chosen, strict=True)]


def choose_across(cases: Sequence[Case], strategies: Sequence[Strategy]) -> list[Choice]:
    """Return choices in the order of the cases, each by a router that was fitted on the other half."""
    is_test = halve(cases)
    chosen: dict[int, Choice] = {}
    for half in (True, False):
        router = fit_router([case for case, test in zip(cases, is_test, strict=True) if test is not half], strategies)
        places = [at for at, test in enumerate(is_test) if test is half]
        chosen |= dict(zip(places, choose_all([cases[at] for at in places], router), strict=True))
    return [chosen[at] for at in range(len(cases))]


def _fit(values: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, ...]:
    """Return weights for `values` [n, len(FEATURES)], whose first column is constant."""
    middle, spread = values.mean(axis=0), values.std(axis=0)
    middle[0], spread[0] = 0.0, 1.0
    spread[spread == 0] = 1.0
    scaled = (values - middle) / spread
    ridge = np.diag([_RIDGE_OF_CONSTANT, *[_RIDGE] * (len(FEATURES) - 1)])
    weights = np.zeros(len(FEATURES))
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-scaled @ weights))
        slope = scaled.T @ (chances - right) + ridge @ weights
        bend = (scaled * (chances * (1 - chances))[:, None]).T @ scaled + ridge
        weights -= np.linalg.solve(bend, slope)
    raw = weights / spread
    raw[0] -= raw[1:] @ middle[1:]
    return tuple(round(float(each), DIGITS) for each in raw)
