"""The strategy that fits a described workload, with the figures for it and against it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lorag.costs.evidence import Finding, Stance, newest_quality, newest_speed
from lorag.costs.needs import CITES, NEEDS, UPDATE_NEEDS, Case, Workload, judge_accuracy, judge_style
from lorag.costs.plan import Choice
from lorag.costs.policies import Curve, candidates
from lorag.costs.policy_findings import best_of, choose_for, judge_policies
from lorag.costs.remedies import COMPARE, STYLE, TIMELINE
from lorag.costs.served import Traffic
from lorag.costs.unit_costs import Band, Measured, Missing, Unit, unit_costs
from lorag.params import AdviceParams, CostParams
from lorag.questions.coverage import Coverage
from lorag.strategies import Strategy


@dataclass(frozen=True, slots=True)
class Verdict:
    """A strategy with all findings about it; `cost_a_day` is None if a figure was not measured.

    `coverage` is that of its adapter's training, None if there is none or if it is unknown. `n_served` is the number of
    the service's answers that the cost of a question comes from; 0 if it comes from a comparison.
    """

    strategy: Strategy
    findings: tuple[Finding, ...]
    cost_a_day: float | None
    coverage: Coverage | None = None
    n_served: int = 0

    @property
    def fits(self) -> bool:
        """Whether nothing rules it out."""
        return not any(finding.stance is Stance.RULES_OUT for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        coverage = self.coverage.to_json() if self.coverage else None
        return asdict(self) | {"fits": self.fits, "coverage": coverage}


@dataclass(frozen=True, slots=True)
class Advice:
    """The advised strategy; None if nothing fits or if too little was measured, and `reason` says which.

    `policy` says when it is retrained, as `lorag plan` does; None if no walk measured that. `n_elsewhere` is the number
    of the ledger's entries that do not count because another machine measured them. `traffic` is that of the service,
    where the load comes from it; None if it was given.
    """

    strategy: Strategy | None
    reason: str
    verdicts: tuple[Verdict, ...]
    missing: tuple[Missing, ...]
    currency: str
    n_elsewhere: int = 0
    traffic: Traffic | None = None
    policy: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return this part of what `lorag advise --json` prints."""
        return {
            "strategy": self.strategy,
            "policy": self.policy,
            "reason": self.reason,
            "currency": self.currency,
            "verdicts": [verdict.to_json() for verdict in self.verdicts],
            "missing": [asdict(one) for one in self.missing],
            "n_elsewhere": self.n_elsewhere,
            "traffic": self.traffic and self.traffic.to_json(),
        }


def advise(
    measured: Sequence[Measured],
    workload: Workload,
    served_chunks: int | None,
    params: AdviceParams,
    costs: CostParams,
    coverage: Mapping[Strategy, Coverage] | None = None,
    curves: Mapping[Strategy, Curve] | None = None,
) -> Advice:
    """Return the cheapest of the strategies that meet every need and answer about as well as the best of these.

    `coverage` is that of the served adapters' training: it stands beside their accuracy and rules nothing out. With
    `curves`, which a walk measured, policies are compared by the rule of `lorag plan`; without them, strategies that
    make all their updates with every change.
    """
    covered = coverage or {}
    growth = (workload.corpus_chunks or 1) / served_chunks if workload.corpus_chunks and served_chunks else 1.0
    cases = [Case(one.grown(growth), workload, growth, params, covered.get(one.strategy)) for one in measured]
    needs = {case.strategy: [finding for rule in NEEDS for finding in rule(case)] for case in cases}
    able = _able(cases, needs)
    grown = [case.measured for case in cases]
    planned = candidates(grown, curves or {}, params.plan_share, Unit.MONEY, costs.prices)
    styled = {case.strategy: list(judge_style(case, able)) for case in able}
    choice = choose_for(planned, _able(able, styled), workload, params)
    ranges = {case.strategy: cost for case in cases if (cost := _cost_a_day(case, costs)) is not None}
    if choice is not None:
        for case in able:
            needs[case.strategy] += styled[case.strategy]
        able = _judge_by_policies(_able(able, styled), choice, needs, ranges, costs.currency)
    else:
        able = _judge_by_strategies(cases, needs, ranges, costs)
    a_day = {strategy: cost.median for strategy, cost in ranges.items()}
    verdicts = tuple(
        Verdict(
            case.strategy,
            tuple(needs[case.strategy]),
            a_day.get(case.strategy),
            case.coverage,
            case.measured.n_served,
        )
        for case in cases
    )
    missing = tuple(dict.fromkeys(_missing(able, workload, served_chunks, growth, params)))
    if choice is not None:
        return _advise_policy(choice, verdicts, missing, costs.currency)
    return Advice(*_choose(verdicts, able, costs.currency), verdicts, missing, costs.currency)


Needs = dict[Strategy, list[Finding]]
"""The findings about each strategy; the functions below add to them."""


def _able(cases: Sequence[Case], needs: Mapping[Strategy, Sequence[Finding]]) -> list[Case]:
    return [case for case in cases if all(f.stance is not Stance.RULES_OUT for f in needs[case.strategy])]


def _judge_by_strategies(
    cases: Sequence[Case], needs: Needs, ranges: Mapping[Strategy, Band], costs: CostParams
) -> list[Case]:
    """Judge strategies that make all their updates with every change; return those that are left."""
    for case in cases:
        needs[case.strategy] += [finding for rule in UPDATE_NEEDS for finding in rule(case)]
    able = _able(cases, needs)
    for case in able:
        needs[case.strategy] += [*judge_accuracy(case, able), *judge_style(case, able)]
    able = _able(able, needs)
    left = {case.strategy: ranges[case.strategy] for case in able if case.strategy in ranges}
    for case in able:
        needs[case.strategy] += _price(case, left, costs)
    return able


def _judge_by_policies(
    able: Sequence[Case], choice: Choice, needs: Needs, ranges: dict[Strategy, Band], currency: str
) -> list[Case]:
    """Judge each strategy by its best policy, whose cost replaces that in `ranges`; return those that are left."""
    for case in able:
        needs[case.strategy] += judge_policies(case, choice, currency)
        if (option := best_of(case, choice)) and option.cost_a_day:
            ranges[case.strategy] = option.cost_a_day
    return _able(able, needs)


def _advise_policy(
    choice: Choice, verdicts: tuple[Verdict, ...], missing: tuple[Missing, ...], currency: str
) -> Advice:
    taken = choice.taken
    if taken is None or taken.cost_a_day is None:
        return Advice(None, choice.reason, verdicts, missing, currency)
    reason = f"`{taken.policy.name}` is {choice.reason}, at {taken.cost_a_day.median:.3g} {currency} a day"
    return Advice(taken.policy.strategy, reason, verdicts, missing, currency, policy=taken.policy.name)


def _choose(verdicts: Sequence[Verdict], able: Sequence[Case], currency: str) -> tuple[Strategy | None, str]:
    if not able:
        return None, "no strategy meets all of these needs; the reasons are listed below"
    names = ", ".join(case.strategy for case in able)
    if len(able) == 1:
        return able[0].strategy, "the only one that nothing rules out"
    judged = {case.strategy for case in able if newest_quality(case.measured, "accuracy")}
    priced = {verdict.strategy: verdict.cost_a_day for verdict in verdicts if verdict.strategy in judged}
    known = {name: cost for name, cost in priced.items() if cost is not None}
    if not known:
        return None, f"too little was measured to choose among {names}"
    best = min(known, key=lambda name: known[name])
    unknown = [case.strategy for case in able if case.strategy not in known]
    but = f"; not measured enough to compare: {', '.join(unknown)}" if unknown else ""
    return best, f"the cheapest of {names} at {known[best]:.3g} {currency} a day{but}"


def _cost_a_day(case: Case, costs: CostParams) -> Band | None:
    if case.measured.missing():
        return None
    found = unit_costs(case.measured, Unit.MONEY, costs.prices)
    return found.range_a_day(case.workload.updates_per_day, case.workload.queries_per_day)


def _price(case: Case, a_day: Mapping[Strategy, Band], costs: CostParams) -> Iterator[Finding]:
    if case.strategy not in a_day:
        return
    cheapest, own = min(a_day, key=lambda name: a_day[name].median), a_day[case.strategy]
    cost, least = own.median, a_day[cheapest].median
    run = next((entry.run_id for entry in case.measured.priced), None)
    if case.strategy != cheapest:
        times = f", {cost / least:.1f} times {cheapest}" if least else ""
        yield Finding(Stance.AGAINST, f"It costs {cost:.3g} {costs.currency} a day{times}.", cost, run)
        return
    yield Finding(Stance.FOR, f"It costs {cost:.3g} {costs.currency} a day, the least.", cost, run)
    close = [name for name, other in a_day.items() if name != cheapest and other.least < own.greatest]
    if close:
        sentence = (
            f"It may cost up to {own.greatest:.3g} {costs.currency} a day, and {' or '.join(close)} less than that."
        )
        yield Finding(Stance.AGAINST, sentence, own.greatest, run)


def _missing(
    able: Sequence[Case], workload: Workload, served_chunks: int | None, growth: float, params: AdviceParams
) -> Iterator[Missing]:
    for case in able:
        yield from case.measured.missing()
        wanted = {"accuracy": True, "style": workload.style_needed}
        wanted["citation_precision"] = workload.citations_needed and case.strategy in CITES
        for name, is_wanted in wanted.items():
            if is_wanted and case.measured.answers and newest_quality(case.measured, name) is None:
                how = STYLE if name == "style" else COMPARE
                yield Missing(f"{name.replace('_', ' ')} of {case.strategy}", how)
        has_speed = newest_speed(case.measured, "p95_s") is not None
        if workload.latency_ms is not None and case.measured.answers and not has_speed:
            yield Missing(f"the p95 of {case.strategy}", COMPARE)
        if workload.updates_per_day and case.measured.time_to_fresh_s is None:
            yield Missing(f"the time to fresh of {case.strategy}", TIMELINE)
    if workload.corpus_chunks is not None and served_chunks is None:
        yield Missing("the size of the corpus that was measured", "lorag refresh")
    if not 1 / params.max_extrapolation <= growth <= params.max_extrapolation:
        yield Missing(
            f"figures on {workload.corpus_chunks} chunks: measured on {served_chunks}, the rest is extrapolated",
            "lorag init a workspace of that size, then lorag refresh, lorag retrain and lorag compare",
        )
