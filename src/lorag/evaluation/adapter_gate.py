"""The gate for an adapter: it must have learned new facts, forgotten little, and be better than the served one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lorag.evaluation.exam import Marks
from lorag.evaluation.probes import Probe
from lorag.params import AdapterGateParams
from lorag.shares import exact, exact_mean


@dataclass(frozen=True, slots=True)
class Examined:
    """The exam of one model: its marks, and the share of right answers by fact."""

    marks: Marks
    facts: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Champion:
    """The served adapter, asked the same questions; `known` are the digests of the facts it was trained on."""

    examined: Examined
    known: Mapping[str, str]


def judge_adapter(
    candidate: Examined,
    base: Examined,
    champion: Champion | None,
    fact_digests: Mapping[str, str],
    params: AdapterGateParams,
) -> list[Probe]:
    """Return every probe with its verdict; with a limit, a figure that is missing or not a number fails.

    Shares are compared as exact fractions, so that a limit which is met exactly passes.
    Refusal is probed only if the controls have questions without an answer. A fact is new if the champion was not
    trained on its present answers, so without a champion all facts are new. Not covered: whether the facts are true,
    and questions of other kinds than those of the questions file.
    """
    known = champion.known if champion else {}
    new = [fact for fact in candidate.facts if known.get(fact) != fact_digests.get(fact)]
    old = [fact for fact in candidate.facts if known.get(fact) == fact_digests.get(fact)]
    probes = []
    if new:
        probes.append(_at_least("new_facts", _mean_of(candidate, new), params.min_new_facts))
    if champion and old:
        loss = _minus(_mean_of(champion.examined, old), _mean_of(candidate, old))
        probes.append(_at_most("old_facts_lost", loss, params.max_old_loss))
    if base.marks.controls is not None:
        loss = _minus(_whole(base.marks.controls), _whole(candidate.marks.controls))
        probes.append(_at_most("controls_lost", loss, params.max_control_loss))
    if candidate.marks.refusal is not None:
        probes.append(_at_least("refusal", _whole(candidate.marks.refusal), params.min_refusal))
    probes += _reading(candidate.marks, params)
    accuracy = _whole(candidate.marks.accuracy)
    gain = _minus(accuracy, _whole(base.marks.accuracy))
    probes.append(_at_least("gain_over_base", gain, params.min_gain_over_base))
    if champion:
        gain = _minus(accuracy, _whole(champion.examined.marks.accuracy))
        probes.append(_at_least("gain_over_champion", gain, params.min_gain_over_champion))
    return probes


def _reading(marks: Marks, params: AdapterGateParams) -> Sequence[Probe]:
    probes = []
    if marks.context_reading is not None or params.min_context_reading is not None:
        probes.append(_at_least("context_reading", _whole(marks.context_reading), params.min_context_reading))
    if marks.irrelevant_answered is not None or params.max_irrelevant_answered is not None:
        answered = _whole(marks.irrelevant_answered)
        probes.append(_at_most("irrelevant_answered", answered, params.max_irrelevant_answered))
    return probes


def _at_least(name: str, value: Fraction | None, limit: float | None) -> Probe:
    return Probe(name, _number(value), limit, limit is None or (value is not None and value >= exact(limit)))


def _at_most(name: str, value: Fraction | None, limit: float | None) -> Probe:
    return Probe(name, _number(value), limit, limit is None or (value is not None and value <= exact(limit)))


def _number(value: Fraction | None) -> float:
    return float("nan") if value is None else float(value)


def _whole(share: float | None) -> Fraction | None:
    return None if share is None else exact_mean([share])


def _mean_of(examined: Examined, facts: Sequence[str]) -> Fraction | None:
    return exact_mean([examined.facts[fact] for fact in facts if fact in examined.facts])


def _minus(left: Fraction | None, right: Fraction | None) -> Fraction | None:
    return None if left is None or right is None else left - right
