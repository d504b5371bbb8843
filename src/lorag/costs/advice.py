"""The strategy that fits a described workload, with the figures for it and against it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lorag.costs.evidence import Finding, Stance, newest_quality, newest_speed
from lorag.costs.needs import CITES, NEEDS, Case, Workload, judge_quality
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

    `n_elsewhere` is the number of the ledger's entries that do not count because another machine measured them.
    `traffic` is that of the service, where the load comes from it; None if it was given.
    """

    strategy: Strategy | None
    reason: str
    verdicts: tuple[Verdict, ...]
    missing: tuple[Missing, ...]
    currency: str
    n_elsewhere: int = 0
    traffic: Traffic | None = None

    def to_json(self) -> dict[str, Any]:
        """Return this part of what `lorag advise --json` prints."""
        return {
            "strategy": self.strategy,
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
) -> Advice:
    """Return the cheapest of the strategies that meet every need and answer about as well as the best of these.

    `coverage` is that of the served adapters' training: it stands beside their accuracy and rules nothing out.
    """
    covered = coverage or {}
    growth = (workload.corpus_chunks or 1) / served_chunks if workload.corpus_chunks and served_chunks else 1.0
    cases = [Case(one.grown(growth), workload, growth, params, covered.get(one.strategy)) for one in measured]
    needs = {case.strategy: [finding for rule in NEEDS for finding in rule(case)] for case in cases}
    able = [case for case in cases if all(f.stance is not Stance.RULES_OUT for f in needs[case.strategy])]
    for case in able:
        needs[case.strategy] += judge_quality(case, able)
    able = [case for case in able if all(f.stance is not Stance.RULES_OUT for f in needs[case.strategy])]
    ranges = {case.strategy: cost for case in cases if (cost := _cost_a_day(case, costs)) is not None}
    left = {case.strategy: ranges[case.strategy] for case in able if case.strategy in ranges}
    for case in able:
        needs[case.strategy] += _price(case, left, costs)
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
    missing = list(_missing(able, workload, served_chunks, growth, params))
    return Advice(*_choose(verdicts, able, costs.currency), verdicts, tuple(dict.fromkeys(missing)), costs.currency)


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
