"""Twelve claims on RAG and fine-tuning, each judged by the measurements of this workspace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from lorag.costs.records import Cost
from lorag.costs.remedies import COMPARE, STYLE, TIMELINE, UPDATE
from lorag.evaluation.comparison import BESIDE, READING
from lorag.evaluation.timeline_records import Moment
from lorag.findings.evidence import Evidence, Measurement, Verdict, verdict_of
from lorag.findings.unmeasured_claims import UNMEASURED
from lorag.strategies import AdapterKind, Strategy

LEAD = 0.2
"""The lead on new facts that the claim gives retrieval."""

NEGLIGIBLE = 0.1
"""A gain whose whole interval is below this counts as none; an interval that only includes 0 does not show that."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim with its verdict.

    `source` is the paper that made the claim, None if no paper measured it before. `why` is the rule that decided, or
    what is missing; `do` is the command that measures it, None if it was measured.
    """

    id: str
    claim: str
    source: str | None
    verdict: Verdict
    why: str
    figures: tuple[Measurement, ...] = ()
    do: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "claim": self.claim,
            "source": self.source,
            "verdict": self.verdict.value,
            "why": self.why,
            "figures": [figure.to_json() for figure in self.figures],
            "do": self.do,
        }


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a rule; `do` is set if something was not measured."""

    verdict: Verdict
    why: str
    figures: tuple[Measurement, ...] = ()
    do: str | None = None


def judge_claims(evidence: Evidence) -> list[Judged]:
    """Judge all claims in order; a claim that the figures do not decide does not hold."""
    return [
        Judged(name, claim, source, found.verdict, found.why, found.figures, found.do)
        for name, (claim, source) in CLAIMS.items()
        for found in [_RULES[name](evidence) if name in _RULES else _unmeasured(name)]
    ]


CLAIMS: Mapping[str, tuple[str, str | None]] = {
    "S1": ("On facts that a model does not know, retrieval leads fine-tuning by 20 points or more.", "2312.05934"),
    "S2": ("More paraphrases teach fine-tuning more facts, yet never as many as retrieval finds.", "2312.05934"),
    "S3": ("A small model does best tuned and reading, then reading, then tuned, then unchanged.", "2403.01432"),
    "S4": ("Plain tuning unlearns reading; tuning on contexts with distractors brings it back.", "2403.10131"),
    "S5": ("An adapter learns facts up to a number set by its rank; beyond it, it learns each one less.", "2502.14502"),
    "S6": ("Learning new facts costs known ones; replay and stopping early save some.", "2405.05904"),
    "S7": ("Updating the index takes less time, energy and money than retraining an adapter.", None),
    "S8": ("There is a line of updates and queries a day on which reading and tuning cost the same.", None),
    "S9": ("A removed fact is gone from retrieval at once, and stays in an adapter until a retrain.", "2401.06121"),
    "S10": ("A fresh index with an adapter from before the change gives outdated answers more often.", "2205.11388"),
    "S11": ("An irrelevant context spoils answers that the model knew by itself.", "2508.06178"),
    "S12": ("Style and format are learned by tuning and not taken over from a context.", "2401.08406"),
}
"""The claims, each in a sentence, with the number of its paper at arXiv."""


def _retrieval_leads(evidence: Evidence) -> Finding:
    lead = evidence.difference("rag", "tuned", "accuracy")
    learned = evidence.difference("tuned", "base", "accuracy")
    if lead is None or learned is None:
        return _missing("base, rag and tuned on the same facts", f"lorag retrain --adapter tuned, then {COMPARE}")
    figures = Measurement.on("rag - tuned", lead), Measurement.on("tuned - base", learned)
    why = f"rag - tuned lies above {LEAD} and tuned - base above 0, intervals included"
    return Finding(verdict_of(lead.low >= LEAD and learned.low > 0), why, figures)


def _the_order_holds(evidence: Evidence) -> Finding:
    both = evidence.difference("hybrid", "rag", "accuracy")
    reads = evidence.difference("rag", "tuned", "accuracy")
    learned = evidence.difference("tuned", "base", "accuracy")
    if both is None or reads is None or learned is None:
        return _missing("all four strategies on the same facts", f"lorag retrain, then {COMPARE}")
    pairs = {"hybrid - rag": both, "rag - tuned": reads, "tuned - base": learned}
    why = "hybrid - rag, rag - tuned and tuned - base lie above 0, intervals included"
    holds = both.low > 0 and reads.low > 0 and learned.low > 0
    return Finding(verdict_of(holds), why, tuple(Measurement.on(name, found) for name, found in pairs.items()))


def _reading_is_unlearned(evidence: Evidence) -> Finding:
    drop = evidence.difference(f"tuned{READING}", "rag", "accuracy")
    recovery = evidence.difference("hybrid", f"tuned{READING}", "accuracy")
    if drop is None or recovery is None:
        do = f"lorag retrain, then {COMPARE} with `comparison.reading: true`"
        return _missing("rag, hybrid, and tuned with a context", do)
    figures = [
        Measurement.on("tuned with a context - rag", drop),
        Measurement.on("hybrid - tuned with a context", recovery),
    ]
    left = evidence.difference("hybrid", "rag", "accuracy")
    if left is not None:
        figures.append(Measurement.on("hybrid - rag", left))
    why = "the first lies below 0, the second above it, intervals included, and hybrid does not lie below rag"
    holds = drop.high < 0 and recovery.low > 0 and (left is None or left.high >= 0)
    return Finding(verdict_of(holds), why, tuple(figures))


def _an_index_is_cheaper(evidence: Evidence) -> Finding:
    refreshes = evidence.refreshes()
    retrains = {kind.value: found for kind in AdapterKind if (found := evidence.retrains(kind))}
    if not refreshes or not retrains:
        return _missing("updates of both kinds", UPDATE)
    figures, holds = [], True
    for unit, value in _UNITS.items():
        # Money is compared as it was paid; an old retrain may have had another price.
        spans = {"refresh": [value(cost) for cost in refreshes]}
        spans |= {f"retrain of {kind}": [value(cost) for cost in found] for kind, found in retrains.items()}
        figures += [_range(name, values, unit or refreshes[0].currency) for name, values in spans.items()]
        holds &= max(spans.pop("refresh")) < min(min(values) for values in spans.values())
    return Finding(
        verdict_of(holds), "the most expensive refresh is below the cheapest retrain in all three", tuple(figures)
    )


_UNITS: Mapping[str, Callable[[Cost], float]] = {
    "s": lambda cost: cost.use.wall_s,
    "kWh": lambda cost: cost.use.kwh,
    "": lambda cost: cost.money,
}


def _range(of: str, values: Sequence[float], unit: str) -> Measurement:
    return Measurement(of, median(values), min(values), max(values), unit)


def _costs_cross(evidence: Evidence) -> Finding:
    found = evidence.break_even
    lines = list(zip(found.crossings, found.ranges, strict=True)) if found else []
    known = [(line, span) for line, span in lines if {line.first, line.second} == {"rag", "tuned"}]
    if not known:
        return _missing("the costs of updates and answers by rag and tuned", f"{UPDATE}; then {COMPARE}")
    line, span = known[0]
    if not line.exists:
        return Finding(Verdict.FAILS, f"{line.always_cheaper or 'neither'} is cheaper at every workload")
    if line.falls:
        return Finding(
            Verdict.FAILS, f"{line.cheaper_above} is cheaper except at few updates and queries, by storage alone"
        )
    sure = "and at every least and greatest cost" if span.sure else "but not at every measured cost"
    why = f"the line exists at the median costs, {sure}; with more queries {line.cheaper_above} is cheaper"
    if line.slope is None:
        return Finding(verdict_of(span.sure), why)
    unit = "queries an update"
    return Finding(
        verdict_of(span.sure), why, (Measurement("rag = tuned", line.slope, span.least, span.greatest, unit),)
    )


def _removal_leaks(evidence: Evidence) -> Finding:
    base, reads, stale, retrained = (
        evidence.pooled(strategy, moment, "removed_leaked")
        for strategy, moment in (
            (Strategy.BASE, Moment.REFRESHED),
            (Strategy.RAG, Moment.REFRESHED),
            (Strategy.TUNED, Moment.REFRESHED),
            (Strategy.TUNED, Moment.RETRAINED),
        )
    )
    if base is None or reads is None or stale is None or retrained is None:
        do = f"{TIMELINE} over versions that remove facts"
        return _missing("removed facts asked after a refresh and after a retrain", do)
    named = {"base": base, "rag": reads, "stale tuned": stale, "tuned after its retrain": retrained}
    # An answer that the base model gives right was never leaked.
    stays = stale.low > base.high and stale.low > reads.high
    goes = retrained.high < stale.low and retrained.low <= base.high
    holds = stays and goes and reads.low <= base.high
    why = (
        "over all versions, intervals included: the stale adapter lies above rag, the base model and itself after the "
        "retrain, and neither rag nor the retrained one above the base model"
    )
    return Finding(verdict_of(holds), why, tuple(Measurement.on(name, each) for name, each in named.items()))


def _stale_adapters_conflict(evidence: Evidence) -> Finding:
    reads, stale = (evidence.pooled(name, Moment.REFRESHED, "stale") for name in (Strategy.RAG, Strategy.HYBRID))
    if reads is None or stale is None:
        do = f"{TIMELINE} over versions that change facts, with the hybrid adapter"
        return _missing("changed facts asked of rag and of the hybrid with a stale adapter", do)
    figures = Measurement.on("rag", reads), Measurement.on("stale hybrid", stale)
    why = "over all versions the stale hybrid lies above rag, intervals included"
    return Finding(verdict_of(stale.low > reads.high), why, figures)


def _contexts_beside_the_point_harm(evidence: Evidence) -> Finding:
    found = {
        f"{name} - {alone} on controls": harm
        for name, alone in (("rag", "base"), ("hybrid", "base"))
        if (harm := evidence.difference(f"{name}{BESIDE}", alone, "controls"))
    }
    if not found:
        return _missing("controls asked with a context", f"{COMPARE} with `comparison.reading: true`")
    figures = tuple(Measurement.on(name, harm) for name, harm in found.items())
    why = (
        "controls with the closest chunks lie below the base model without any, interval included, for each that reads"
    )
    return Finding(verdict_of(all(harm.high < 0 for harm in found.values())), why, figures)


def _style_is_learned(evidence: Evidence) -> Finding:
    pairs = {
        f"{left} - {right}": evidence.difference(left, right, "style")
        for left, right in (("tuned", "base"), ("tuned", "rag"), ("rag", "base"))
    }
    found = {name: gap for name, gap in pairs.items() if gap is not None}
    if len(found) < len(pairs):
        return _missing("the style of base, rag and tuned", STYLE)
    learned = found["tuned - base"].low > 0 and found["tuned - rag"].low > 0
    taken_over = found["rag - base"].low > 0 or found["rag - base"].high >= NEGLIGIBLE
    why = f"tuned lies above base and rag, and rag - base at 0 and below {NEGLIGIBLE}, intervals included"
    figures = tuple(Measurement.on(name, gap) for name, gap in found.items())
    return Finding(verdict_of(learned and not taken_over), why, figures)


def _unmeasured(name: str) -> Finding:
    why, do = UNMEASURED[name]
    return Finding(Verdict.NOT_MEASURED, why, (), do)


def _missing(what: str, do: str) -> Finding:
    return Finding(Verdict.NOT_MEASURED, f"there are no figures on {what}", (), do)


_RULES: Mapping[str, Callable[[Evidence], Finding]] = {
    "S1": _retrieval_leads,
    "S3": _the_order_holds,
    "S4": _reading_is_unlearned,
    "S7": _an_index_is_cheaper,
    "S8": _costs_cross,
    "S9": _removal_leaks,
    "S10": _stale_adapters_conflict,
    "S11": _contexts_beside_the_point_harm,
    "S12": _style_is_learned,
}
