"""The findings for and against a strategy, and those that rule it out, need by need."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from lorag.costs.evidence import (
    SECONDS_A_DAY,
    Finding,
    Stance,
    newest_quality,
    newest_speed,
    show_seconds,
    time_to_fresh,
    update_seconds,
)
from lorag.costs.unit_costs import Measured
from lorag.params import AdviceParams
from lorag.questions.coverage import Coverage
from lorag.shares import exact
from lorag.strategies import BASELINE, Strategy

CITES = frozenset(strategy for strategy in Strategy if strategy.profile.reads)
TRAINED = frozenset(strategy for strategy in Strategy if strategy.profile.adapter)


@dataclass(frozen=True, slots=True)
class Workload:
    """The demands on the system; `corpus_chunks` is None for the corpus that is served."""

    updates_per_day: float
    queries_per_day: float
    corpus_chunks: int | None = None
    citations_needed: bool = False
    private_documents: bool = False
    style_needed: bool = False
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One strategy for one workload; the use of its retrains is already multiplied by `growth`.

    `coverage` is that of the served adapter's training; None without an adapter, and if it is unknown.
    """

    measured: Measured
    workload: Workload
    growth: float
    params: AdviceParams
    coverage: Coverage | None = None

    @property
    def strategy(self) -> Strategy:
        """The strategy's name."""
        return self.measured.strategy

    @property
    def assumed(self) -> str:
        """The words that a sentence adds if its update time was extrapolated; empty if it was measured."""
        if self.growth == 1 or self.strategy not in TRAINED:
            return ""
        return f", if a retrain grows with the corpus, here {self.growth:.3g} times"

    @property
    def trained_on(self) -> str:
        """The words that a figure of its answers needs beside it; empty if the coverage is unknown."""
        if self.coverage is None:
            return ""
        return (
            f" (its training asked about {self.coverage.documents_share:.1%} of the documents and "
            f"{self.coverage.chunks_share:.1%} of the chunks)"
        )


def _follows(case: Case) -> Iterator[Finding]:
    if case.strategy is BASELINE and case.workload.updates_per_day:
        yield Finding(
            Stance.RULES_OUT, f"It never learns of a change, and there are {case.workload.updates_per_day:g} a day."
        )


def _citations(case: Case) -> Iterator[Finding]:
    if not case.workload.citations_needed:
        return
    if case.strategy not in CITES:
        yield Finding(Stance.RULES_OUT, "It answers from memory and has nothing to cite.")
    elif found := newest_quality(case.measured, "citation_precision"):
        yield Finding.on(found, Stance.FOR, f"{found.value:.0%} of its citations hold the answer.")
    else:
        yield Finding(Stance.FOR, "It cites passages that code verifies; how many hold the answer was not measured.")


def _privacy(case: Case) -> Iterator[Finding]:
    if not case.workload.private_documents or case.strategy is BASELINE:
        return
    found = update_seconds(case.measured)
    lasts = f" ({show_seconds(found.value)}{case.assumed})" if found else ""
    figure = (found.value, found.run_id) if found else (None, None)
    if case.strategy in TRAINED:
        sentence = f"A removed document stays in the weights until the next retrain is published{lasts}."
        yield Finding(Stance.RULES_OUT, sentence, *figure)
    else:
        yield Finding(Stance.FOR, f"A removed document is gone with the next refresh{lasts}.", *figure)


def _style(case: Case) -> Iterator[Finding]:
    if case.workload.style_needed and newest_quality(case.measured, "style") is None and case.strategy not in TRAINED:
        yield Finding(Stance.AGAINST, "Documents change what it says, not how; its style was not measured.")


def _latency(case: Case) -> Iterator[Finding]:
    limit, found = case.workload.latency_ms, newest_speed(case.measured, "p95_s")
    if limit is None or found is None:
        return
    ms = found.value * 1000
    if ms > limit:
        yield Finding.on(found, Stance.RULES_OUT, f"95 % of its answers take up to {ms:.0f} ms, over {limit:.0f} ms.")
    else:
        yield Finding.on(found, Stance.FOR, f"95 % of its answers take at most {ms:.0f} ms, of {limit:.0f} ms allowed.")


def _update_time(case: Case) -> Iterator[Finding]:
    found, updates = update_seconds(case.measured), case.workload.updates_per_day
    if found is None or not updates:
        return
    share = found.value * updates / SECONDS_A_DAY
    busy = f"{updates:g} a day are {share:.2%} of the day{case.assumed}"
    sentence = f"An update takes {show_seconds(found.value)}: {busy}."
    too_much = share > case.params.max_update_share
    yield Finding.on(found, Stance.RULES_OUT if too_much else Stance.FOR, sentence)


def _freshness(case: Case) -> Iterator[Finding]:
    found, updates = time_to_fresh(case.measured), case.workload.updates_per_day
    if found is None or not updates:
        return
    sentence = f"A change is answered right {show_seconds(found.value)} after it was made."
    yield Finding.on(found, Stance.AGAINST if found.value * updates > SECONDS_A_DAY else Stance.FOR, sentence)


NEEDS: Sequence[Callable[[Case], Iterator[Finding]]] = (
    _follows,
    _citations,
    _privacy,
    _style,
    _latency,
)
"""One rule for each need; a rule yields nothing if the workload does not have that need."""

UPDATE_NEEDS: Sequence[Callable[[Case], Iterator[Finding]]] = (_update_time, _freshness)
"""The rules for a strategy that makes all its updates with every change; policies are judged by `policy_findings`."""


def judge_accuracy(case: Case, able: Sequence[Case]) -> Iterator[Finding]:
    """Compare the accuracy with the best of the strategies that meet every need."""
    yield from _judge_share(case, able, "accuracy", "of the questions right")


def judge_style(case: Case, able: Sequence[Case]) -> Iterator[Finding]:
    """Compare the style, if it is needed, with the best of the strategies that meet every need."""
    if case.workload.style_needed:
        yield from _judge_share(case, able, "style", "in the wanted style")


def _judge_share(case: Case, able: Sequence[Case], name: str, how: str) -> Iterator[Finding]:
    known = {other.strategy: found for other in able if (found := newest_quality(other.measured, name))}
    trained_on = {other.strategy: other.trained_on for other in able}
    if case.strategy not in known:
        return
    best = max(known, key=lambda strategy: known[strategy].value)
    found, loss = known[case.strategy], exact(known[best].value) - exact(known[case.strategy].value)
    if not loss:
        yield Finding.on(
            found,
            Stance.FOR,
            f"It answers {found.value:.1%} {how}{case.trained_on}, the most of the remaining strategies.",
        )
        return
    stance = Stance.RULES_OUT if loss > exact(case.params.max_accuracy_loss) else Stance.AGAINST
    other = f"{best} {known[best].value:.1%}{trained_on[best]}"
    yield Finding.on(found, stance, f"It answers {found.value:.1%} {how}{case.trained_on}, {other}.")
