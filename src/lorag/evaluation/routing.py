"""What `auto` would have answered in a comparison, whether it serves, and how well it knows its chances."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lorag.answering.routing import Router
from lorag.evaluation.answer_measures import Chunks, has_declined, is_right
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import DIGITS, Bootstrap, Estimate, Part
from lorag.evaluation.comparison import Figures, compare_answers
from lorag.evaluation.router_fit import Case, Choice, choose_across, fit_router, halve
from lorag.strategies import Auto, Strategy

LEAST_CASES = 60
"""Fewer questions are not enough to fit a router on one half and to judge it on the other."""

_BINS = 10


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a router serves: how much more it gets right than the best `single` strategy, on the test half.

    `gain` is paired by question; `seconds` and `single_seconds` are those of an answer in the mean, `right_seconds` and
    `single_right_seconds` those of all answers for each right one.
    """

    single: Strategy
    gain: Estimate
    seconds: float
    single_seconds: float
    right_seconds: float
    single_right_seconds: float

    @property
    def reason(self) -> str | None:
        """Why the router does not serve; None if it does. It must gain beyond chance, at no more cost.

        The cost is that of a right answer, because a question that the single strategy declines without asking a model
        costs it nothing: to answer such a question always takes longer than to decline it.
        """
        gain = f"it is right for {100 * self.gain.value:+.1f} points more of the questions than {self.single}"
        if self.gain.low <= 0:
            between = f"{100 * self.gain.low:+.1f} to {100 * self.gain.high:+.1f}, {self.gain.n} questions"
            return f"{gain} ({between}), which is not beyond chance"
        if round(self.right_seconds, 3) > round(self.single_right_seconds, 3):
            costs = f"{self.right_seconds:.2f} s and not {self.single_right_seconds:.2f} s"
            return f"{gain}, but each right answer takes {costs}"
        return None

    def to_json(self) -> dict[str, Any]:
        """Return plain values with the reason."""
        return {**asdict(self), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far the expected chances can be trusted, for answers of which none was used to fit its router.

    `error` is the expected calibration error over ten bins of equal width (Guo 2017). `curve` gives the share of
    questions that are answered, most certain first, and the share of these answers that is wrong (El-Yaniv 2010);
    `area` is the mean of the latter over all coverages.
    """

    error: float
    area: float
    curve: tuple[tuple[float, float], ...]
    bins: tuple[tuple[float, float, int], ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Routing:
    """What `auto` would have answered: each question by a router that was fitted on the other half of them.

    `figures` and `kinds` are as those of a strategy, `against` are the differences to the best single one, `mix` the
    shares right of all questions, and `chosen` says how often each strategy was chosen. `router` is that of the
    release: it was fitted on one half, and `verdict` is on the other.
    """

    figures: Figures
    kinds: Mapping[str, int]
    against: Figures
    mix: Mapping[str, Estimate]
    chosen: Mapping[Strategy, int]
    verdict: Verdict
    calibration: Calibration
    router: Router

    def to_json(self) -> dict[str, Any]:
        """Return the key `auto` of `lorag compare --json`."""
        return {
            "serves": self.verdict.reason is None,
            **self.verdict.to_json(),
            "quality": {name: asdict(found) for name, found in self.figures.items()},
            "kinds": dict(self.kinds),
            "differences": {name: asdict(found) for name, found in self.against.items()},
            "mix": {name: asdict(found) for name, found in self.mix.items()},
            "chosen": dict(self.chosen),
            "calibration": self.calibration.to_json(),
            "weights": self.router.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Unrouted:
    """Why a comparison says nothing of `auto`."""

    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the key `auto` of `lorag compare --json`."""
        return {"serves": False, "reason": self.reason}


def judge_routing(
    cases: Sequence[Case],
    answers: Mapping[Strategy, Sequence[AnswerRow]],
    chunks: Chunks,
    cutoffs: Sequence[int],
    bootstrap: Bootstrap,
) -> Routing:
    """Route at least `LEAST_CASES` cases, whose answers by strategy are in the same order."""
    strategies = list(answers)
    choices, is_test = choose_across(cases, strategies), halve(cases)
    single = best_single(cases, strategies)
    tested = [at for at, test in enumerate(is_test) if test]
    auto = [answers[choice.strategy][at] for at, choice in enumerate(choices)]
    compared = compare_answers({single: answers[single], Auto.AUTO: auto}, chunks, cutoffs, bootstrap)
    everyone = {name.value: [name] * len(cases) for name in strategies}
    everyone[Auto.AUTO.value] = [choice.strategy for choice in choices]
    shares = {name: share_right(cases, given, bootstrap) for name, given in everyone.items()}
    return Routing(
        figures=compared.strategies[Auto.AUTO],
        kinds=compared.kinds[Auto.AUTO],
        against=compared.differences[f"{Auto.AUTO} - {single}"],
        mix={name: share for name, share in shares.items() if share is not None},
        chosen={name: Counter(choice.strategy for choice in choices)[name] for name in strategies},
        verdict=judge([cases[at] for at in tested], [choices[at] for at in tested], single, bootstrap),
        calibration=calibrate(cases, choices),
        router=fit_router([case for case, test in zip(cases, is_test, strict=True) if not test], strategies),
    )


def is_served_right(row: AnswerRow) -> bool:
    """Whether an answer is right, or declines a question that nothing answers."""
    return is_right(row) if row.question.accepted else has_declined(row)


def best_single(cases: Sequence[Case], strategies: Sequence[Strategy]) -> Strategy:
    """Return the strategy that is right most often over all cases; of equal ones the quickest."""
    return max(
        strategies,
        key=lambda each: (sum(case.right[each] for case in cases), -sum(case.seconds[each] for case in cases)),
    )


def judge(cases: Sequence[Case], choices: Sequence[Choice], single: Strategy, bootstrap: Bootstrap) -> Verdict:
    """Judge choices for at least one case, against the single strategy on the same cases."""
    auto = [_part(case, choice.strategy) for case, choice in zip(cases, choices, strict=True)]
    gain = bootstrap.difference(auto, [_part(case, single) for case in cases])
    assert gain is not None  # every part has something to divide by
    seconds = sum(case.seconds_of(choice.strategy) for case, choice in zip(cases, choices, strict=True))
    single_seconds = sum(case.seconds[single] for case in cases)
    n_right = sum(case.right[choice.strategy] for case, choice in zip(cases, choices, strict=True))
    return Verdict(
        single,
        gain,
        round(seconds / len(cases), DIGITS),
        round(single_seconds / len(cases), DIGITS),
        round(seconds / max(1, n_right), DIGITS),
        round(single_seconds / max(1, sum(case.right[single] for case in cases)), DIGITS),
    )


def share_right(cases: Sequence[Case], chosen: Sequence[Strategy], bootstrap: Bootstrap) -> Estimate | None:
    """Return the share of all cases that is right if these strategies answer; None without cases."""
    return bootstrap.estimate([_part(case, name) for case, name in zip(cases, chosen, strict=True)])


def calibrate(cases: Sequence[Case], choices: Sequence[Choice]) -> Calibration:
    """Compare the chances of choices with what came true."""
    chances = np.array([choice.chance for choice in choices])
    right = np.array([float(case.right[c.strategy]) for case, c in zip(cases, choices, strict=True)])
    places = np.minimum((chances * _BINS).astype(int), _BINS - 1)
    bins = [
        (float(chances[places == at].mean()), float(right[places == at].mean()), int((places == at).sum()))
        for at in range(_BINS)
        if (places == at).any()
    ]
    error = sum(abs(expected - seen) * n for expected, seen, n in bins) / len(cases)
    order = np.argsort(-chances, kind="stable")
    risks = 1 - np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    points = np.unique(np.ceil(np.linspace(0.05, 1, 20) * len(order)).astype(int))
    return Calibration(
        round(float(error), DIGITS),
        round(float(risks.mean()), DIGITS),
        tuple((round(float(n / len(order)), DIGITS), round(float(risks[n - 1]), DIGITS)) for n in points),
        tuple((round(expected, DIGITS), round(seen, DIGITS), n) for expected, seen, n in bins),
    )


def _part(case: Case, strategy: Strategy) -> Part:
    return Part(f"{case.topic}:{case.cluster}", float(case.right[strategy]))
