"""The uses for which a strategy is said to win, each judged by the measurements of this workspace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from lorag.costs.remedies import COMPARE, STYLE, TIMELINE, UPDATE
from lorag.evaluation.timeline_records import Moment, TimelineRow
from lorag.findings.evidence import Evidence, Measurement, Verdict, verdict_of
from lorag.strategies import UPDATED, Strategy, Update

FAR_LARGER = 10
"""A knowledge base of at least this many contexts counts as far larger."""

KEPT = "unchanged"
"""The stratum of facts that do not change."""


@dataclass(frozen=True, slots=True)
class Favoured:
    """The strategies that are statistically indistinguishable from the best; none if the figures do not decide."""

    strategies: tuple[Strategy, ...]
    by: str
    figures: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A use, the strategies that are said to win it, and those that do.

    It holds if all favoured strategies are among those that are said to win. `by` is what was compared, or why it could
    not be; `do` is the command that measures it, None if it was measured.
    """

    name: str
    said: tuple[Strategy, ...]
    verdict: Verdict
    favours: tuple[Strategy, ...]
    by: str
    figures: tuple[Measurement, ...] = ()
    do: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "name": self.name,
            "said": list(self.said),
            "verdict": self.verdict.value,
            "favours": list(self.favours),
            "by": self.by,
            "figures": [figure.to_json() for figure in self.figures],
            "do": self.do,
        }


@dataclass(frozen=True, slots=True)
class _Use:
    name: str
    said: tuple[Strategy, ...]
    favoured: Callable[[Evidence], Favoured | None]
    do: str


def judge_scenarios(evidence: Evidence) -> list[Scenario]:
    """Judge all uses, in a fixed order."""
    return [_judge(use, evidence) for use in _USES]


def _judge(use: _Use, evidence: Evidence) -> Scenario:
    found = use.favoured(evidence)
    if found is None or not found.strategies:
        by, figures = (found.by, found.figures) if found else ("there are no figures", ())
        return Scenario(use.name, use.said, Verdict.NOT_MEASURED, (), by, figures, use.do)
    verdict = verdict_of(set(found.strategies) <= set(use.said))
    return Scenario(use.name, use.said, verdict, found.strategies, found.by, found.figures)


def _freshness(evidence: Evidence) -> Favoured | None:
    """Compare the times from a change to the first right answer; a strategy that once gave none has lost.

    A strategy that reads is asked from the refresh on, even if its adapter is from before the change.
    """
    seconds: dict[Strategy, list[float]] = {}
    missed: set[Strategy] = set()
    for step in evidence.timeline.steps[1:] if evidence.timeline else ():
        for strategy in UPDATED:
            rows = [row for row in step.rows if row.strategy is strategy and _is_reached(row)]
            times = [row.fresh.time_to_fresh_s for row in rows if row.fresh.time_to_fresh_s is not None]
            if times:
                seconds.setdefault(strategy, []).append(min(times))
            elif any(row.fresh.asked or row.failed_probes for row in rows):
                missed.add(strategy)
    if len(seconds) < 2 or not seconds.keys() - missed:
        return None
    found = _least(
        {name: times for name, times in seconds.items() if name not in missed}, "s to the first right answer", "s"
    )
    lost = ", ".join(name for name in UPDATED if name in missed)
    return replace(found, by=f"{found.by}; after a change no right answer by {lost}") if lost else found


def _is_reached(row: TimelineRow) -> bool:
    """Whether the change can have reached the answers: by the index if the strategy reads, else by the retrain."""
    return row.moment is Moment.RETRAINED or Update.REFRESH in row.strategy.profile.updates


def _knowledge_beyond_context(evidence: Evidence) -> Favoured | None:
    tokens, context = evidence.corpus_tokens, evidence.context_tokens
    if tokens is None or context is None:
        return None
    if tokens < FAR_LARGER * context:
        return Favoured((), f"{tokens:,} tokens are indexed, less than {FAR_LARGER} contexts of {context:,}", ())
    return _best(evidence, "accuracy", "accuracy on facts", UPDATED)


def _sources(evidence: Evidence) -> Favoured | None:
    by = "right answers with a citation that proves them"
    return _best(evidence, "citation_recall", by, tuple(Strategy))


def _removal(evidence: Evidence) -> Favoured | None:
    leaks = {name: evidence.pooled(name, Moment.REFRESHED, "removed_leaked") for name in UPDATED}
    shares = {name: share for name, share in leaks.items() if share is not None}
    if len(shares) < 2:
        return None
    figures = tuple(Measurement.on(f"{name} still answers", share) for name, share in shares.items())
    least = min(shares.values(), key=lambda share: share.value)
    favoured = tuple(name for name, share in shares.items() if share.low <= least.high)
    return Favoured(favoured, "removed facts that are still answered after the refresh", figures)


def _update_costs(evidence: Evidence) -> Favoured | None:
    found = evidence.break_even
    costs = [cost for cost in found.costs if cost.strategy in UPDATED] if found else []
    if found is None or len(costs) < 2:
        return None
    spans = {cost.strategy: (cost.update.least, cost.update.median, cost.update.greatest) for cost in costs}
    return _least(spans, "an update, at the size that was measured", found.unit_name)


def _speed(evidence: Evidence) -> Favoured | None:
    found = {
        one.strategy: [entry.speed["p50_s"] for entry in one.answers if entry.speed and "p50_s" in entry.speed]
        for one in evidence.measured
        if one.strategy in UPDATED
    }
    known = {name: values for name, values in found.items() if values}
    return _least(known, "median s to an answer, one question at a time", "s") if len(known) > 1 else None


def _fixed_knowledge(evidence: Evidence) -> Favoured | None:
    """Compare the accuracy on facts that do not change; the cost of updates does not count."""
    strata = evidence.comparison.strata if evidence.comparison else {}
    found = {name: strata.get(name, {}).get(KEPT, {}).get("accuracy") for name in UPDATED}
    known = {name: figure for name, figure in found.items() if figure}
    if len(known) < 2:
        return _best(evidence, "accuracy", "accuracy on facts", UPDATED)
    best = max(known.values(), key=lambda figure: figure.value)
    figures = tuple(Measurement.on(name, figure) for name, figure in known.items())
    near = tuple(name for name, figure in known.items() if figure.high >= best.low)
    return Favoured(near, "accuracy on facts that did not change", figures)


def _both_at_once(evidence: Evidence) -> Favoured | None:
    return (
        _best(evidence, "accuracy", "accuracy on facts", UPDATED)
        if evidence.figure(Strategy.HYBRID, "accuracy")
        else None
    )


def _style(evidence: Evidence) -> Favoured | None:
    return _best(evidence, "style", "answers in the wanted form", tuple(Strategy))


def _nothing(reason: str) -> Callable[[Evidence], Favoured | None]:
    return lambda evidence: Favoured((), reason, ())


def _best(evidence: Evidence, measure: str, by: str, among: Sequence[Strategy]) -> Favoured | None:
    """Return the strategy with the greatest figure, and those without a known significant difference to it."""
    found = {name: figure for name in among if (figure := evidence.figure(name, measure))}
    if len(found) < 2:
        return None
    best = max(found, key=lambda name: found[name].value)
    apart = {name: evidence.difference(best, name, measure) for name in found if name != best}
    behind = {name for name, gap in apart.items() if gap and gap.low > 0}
    figures = tuple(Measurement.on(name, figure) for name, figure in found.items())
    return Favoured(tuple(name for name in found if name not in behind), by, figures)


def _least(values: Mapping[Strategy, Sequence[float]], by: str, unit: str) -> Favoured:
    """Return the strategy with the least median, and those whose range starts at or below its greatest value."""
    best = min(values, key=lambda name: median(values[name]))
    near = tuple(name for name in values if name == best or min(values[name]) <= max(values[best]))
    figures = tuple(Measurement(n, median(v), min(v), max(v), unit) for n, v in values.items())
    return Favoured(near, by, figures)


_USES = (
    _Use("Information that changes often", (Strategy.RAG,), _freshness, TIMELINE),
    _Use(
        "A knowledge base far larger than the context",
        (Strategy.RAG, Strategy.HYBRID),
        _knowledge_beyond_context,
        f"lorag refresh over more documents, then lorag retrain and {COMPARE}",
    ),
    _Use("Transparent sources", (Strategy.RAG, Strategy.HYBRID), _sources, COMPARE),
    _Use("Privacy and removal", (Strategy.RAG,), _removal, f"{TIMELINE} over versions that remove facts"),
    _Use("Cost on large data", (Strategy.RAG,), _update_costs, UPDATE),
    _Use(
        "Style and tone",
        (Strategy.TUNED, Strategy.HYBRID),
        _style,
        STYLE,
    ),
    _Use(
        "Terms of a domain",
        (Strategy.TUNED, Strategy.HYBRID),
        _nothing("questions on terms are not distinguished from other facts"),
        f"knowledge.questions with questions on terms alone, lorag retrain, then {COMPARE}",
    ),
    _Use(
        "A special task",
        (Strategy.TUNED, Strategy.HYBRID),
        _nothing("questions ask for facts, not for a task"),
        "lorag retrain with training_set.classification or extraction, then a judgement of the answers",
    ),
    _Use("Quick answers", (Strategy.TUNED,), _speed, f"lorag retrain, then {COMPARE}"),
    _Use("Knowledge that stays as it is", (Strategy.TUNED,), _fixed_knowledge, f"lorag retrain, then {COMPARE}"),
    _Use("Both at once: the hybrid", (Strategy.HYBRID,), _both_at_once, f"lorag retrain, then {COMPARE}"),
)
