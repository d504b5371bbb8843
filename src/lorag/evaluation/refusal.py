"""The explanation of a failed gate: for each probe how many of how many, which questions, and what to do."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

from lorag.counted import counted
from lorag.evaluation.adapter_gate import Champion
from lorag.evaluation.exam import Topic
from lorag.evaluation.probes import Probe
from lorag.shares import exact
from lorag.strategies import AdapterKind

SHOWN = 5
"""The number of questions that a message names for each probe; the file of a refusal has all."""

_MAX_CHARACTERS = 80


@dataclass(frozen=True, slots=True)
class ExamRow:
    """A question of the exam with the answers of the adapter and of the base model; nothing accepted: to decline."""

    topic: Topic
    fact_id: str
    question: str
    accepted: tuple[str, ...]
    answer: str
    is_right: bool
    is_base_right: bool

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a line of the table of answers that an evaluation writes."""
        return cls(
            Topic(value["topic"]),
            value["fact_id"],
            value["question"],
            tuple(value["accepted"]),
            value["answer"],
            value["right"],
            value["base_right"],
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failed probe: what was counted, the questions behind it in the order of the exam, and what to do."""

    probe: Probe
    counted: str
    missed: tuple[ExamRow, ...]
    do: tuple[str, ...]

    def line(self) -> str:
        """Return the figure, its limit and the count as text for a person."""
        return f"{self.probe.line()} ({self.counted})"

    def question_lines(self) -> list[str]:
        """Return a line for each of the first few questions, with the expected and the given answer."""
        lines = [f"{self.probe.name}: {_cut(row.question)} – {_expected_and_given(row)}" for row in self.missed[:SHOWN]]
        more = len(self.missed) - len(lines)
        return lines + ([f"{self.probe.name}: and {more} more"] if more else [])

    def to_json(self, shown: int | None = None) -> dict[str, Any]:
        """Return plain values, with at most `shown` questions; None for all."""
        return {
            "probe": self.probe.name,
            "value": None if math.isnan(self.probe.value) else self.probe.value,
            "limit": self.probe.limit,
            "counted": self.counted,
            "questions": [
                {"question": row.question, "expected": list(row.accepted), "given": row.answer}
                for row in self.missed[:shown]
            ],
            "n_questions": len(self.missed),
            "do": list(self.do),
        }


@dataclass(frozen=True, slots=True)
class _Exam:
    """The exam and what it is compared with; `one_wording` are the facts that were trained in one wording only."""

    kind: AdapterKind
    rows: Sequence[ExamRow]
    champion: Champion | None
    digests: Mapping[str, str]
    one_wording: Collection[str]

    def on(self, topic: Topic) -> list[ExamRow]:
        return [row for row in self.rows if row.topic is topic]

    def on_facts(self, *, new: bool) -> list[ExamRow]:
        known = self.champion.known if self.champion else {}
        rows = self.on(Topic.FACT)
        return [row for row in rows if (known.get(row.fact_id) != self.digests.get(row.fact_id)) is new]


def explain_refusals(
    kind: AdapterKind,
    probes: Iterable[Probe],
    rows: Sequence[ExamRow],
    champion: Champion | None,
    fact_digests: Mapping[str, str],
    one_wording: Collection[str],
) -> list[Refusal]:
    """Return an explanation of each probe that failed, in their order."""
    exam = _Exam(kind, rows, champion, fact_digests, one_wording)
    return [_EXPLAIN[probe.name](probe, exam) for probe in probes if not probe.passed]


def _new_facts(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on_facts(new=True)
    shares = _shares(rows)
    right, needed = sum(shares.values()), _least(probe, len(shares))
    found = f"{_count(right)} of {counted(len(shares), 'new fact')} right, {needed} needed"
    return _refusal(probe, exam, found, _wrong(rows), "min_new_facts", _learn_better(exam, _wrong(rows)))


def _old_facts(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on_facts(new=False)
    shares, before = _shares(rows), exam.champion.examined.facts if exam.champion else {}
    known = sum((exact(before[fact]) for fact in shares if fact in before), Fraction(0))
    found = (
        f"{_count(sum(shares.values()))} of {counted(len(shares), 'fact')} that did not change right, "
        f"the served adapter "
        f"{_count(known)}, at most {_most(probe, len(shares))} may be lost"
    )
    lost = [row for row in _wrong(rows) if before.get(row.fact_id, 0) > shares[row.fact_id]]
    do = f"raise training_set.older_share, or lower training.{exam.kind}.continued_learning_rate"
    return _refusal(probe, exam, found, lost, "max_old_loss", [do])


def _controls(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on(Topic.CONTROL)
    found = (
        f"{sum(row.is_right for row in rows)} of {counted(len(rows), 'control question')} right, the base model "
        f"{sum(row.is_base_right for row in rows)}, at most {_most(probe, len(rows))} may be lost"
    )
    lost = [row for row in rows if row.is_base_right and not row.is_right]
    do = f"raise training_set.general_share, or lower training.{exam.kind}.epochs or training.{exam.kind}.learning_rate"
    return _refusal(probe, exam, found, lost, "max_control_loss", [do])


def _declining(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on(Topic.REFUSAL)
    asked = counted(len(rows), "question")
    found = f"{_n_right(rows)} of {asked} without an answer declined, {_least(probe, len(rows))} needed"
    do = "add questions that no document answers to the file of knowledge.unanswerable"
    return _refusal(probe, exam, found, _wrong(rows), "min_refusal", [do])


def _reading(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on(Topic.CHANGED_CONTEXT)
    found = (
        f"{_n_right(rows)} of {counted(len(rows), 'changed context')} answered from, {_least(probe, len(rows))} needed"
    )
    do = "raise training_set.raft_changed_share"
    return _refusal(probe, exam, found, _wrong(rows), "min_context_reading", [do])


def _irrelevant(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on(Topic.IRRELEVANT_CONTEXT)
    answered, shown = len(rows) - _n_right(rows), counted(len(rows), "irrelevant context")
    found = f"{answered} of {shown} answered from, at most {_most(probe, len(rows))} allowed"
    do = "raise training_set.raft_without_gold_share"
    return _refusal(probe, exam, found, _wrong(rows), "max_irrelevant_answered", [do])


def _over_base(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on(Topic.FACT)
    base = sum(row.is_base_right for row in rows)
    return _gain(probe, exam, rows, "the base model", base, "min_gain_over_base")


def _over_champion(probe: Probe, exam: _Exam) -> Refusal:
    rows = exam.on(Topic.FACT)
    accuracy = exam.champion.examined.marks.accuracy if exam.champion else None
    return _gain(probe, exam, rows, "the served adapter", round((accuracy or 0) * len(rows)), "min_gain_over_champion")


def _gain(probe: Probe, exam: _Exam, rows: Sequence[ExamRow], whom: str, theirs: int, limit: str) -> Refusal:
    needed = theirs + _least(probe, len(rows))
    found = f"{_n_right(rows)} of {counted(len(rows), 'question')} on facts right, {whom} {theirs}, {needed} needed"
    return _refusal(probe, exam, found, _wrong(rows), limit, _learn_better(exam, _wrong(rows)))


_EXPLAIN: Mapping[str, Callable[[Probe, _Exam], Refusal]] = {
    "new_facts": _new_facts,
    "old_facts_lost": _old_facts,
    "controls_lost": _controls,
    "refusal": _declining,
    "context_reading": _reading,
    "irrelevant_answered": _irrelevant,
    "gain_over_base": _over_base,
    "gain_over_champion": _over_champion,
}


def _refusal(
    probe: Probe, exam: _Exam, found: str, missed: Sequence[ExamRow], limit: str, do: Sequence[str]
) -> Refusal:
    if math.isnan(probe.value):
        found = "not measured: the exam has no question for it"
    loosen = (
        f"or change adapter_gate.{exam.kind}.{limit}: a loosened limit is judged again in seconds, without training"
    )
    return Refusal(probe, found, tuple(missed), (*do, loosen))


def _learn_better(exam: _Exam, wrong: Sequence[ExamRow]) -> list[str]:
    lacking = len({row.fact_id for row in wrong} & set(exam.one_wording))
    wordings = f"write `phrasings` for the {lacking} of these questions that have none" if lacking else ""
    return [wordings or "write more `phrasings` for these questions", f"or raise training.{exam.kind}.epochs"]


def _shares(rows: Sequence[ExamRow]) -> dict[str, Fraction]:
    by_fact: dict[str, list[bool]] = {}
    for row in rows:
        by_fact.setdefault(row.fact_id, []).append(row.is_right)
    return {fact: Fraction(sum(right), len(right)) for fact, right in by_fact.items()}


def _wrong(rows: Sequence[ExamRow]) -> list[ExamRow]:
    return [row for row in rows if not row.is_right]


def _n_right(rows: Sequence[ExamRow]) -> int:
    return sum(row.is_right for row in rows)


def _least(probe: Probe, n: int) -> int:
    return math.ceil(exact(probe.limit or 0) * n)


def _most(probe: Probe, n: int) -> int:
    return math.floor(exact(probe.limit or 0) * n)


def _count(value: Fraction | int) -> str:
    return f"{float(value):.4g}"


def _expected_and_given(row: ExamRow) -> str:
    expected = f'expected "{_cut(row.accepted[0])}"' if row.accepted else "expected to be declined"
    return f'{expected}, given "{_cut(row.answer)}"'


def _cut(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _MAX_CHARACTERS else f"{plain[: _MAX_CHARACTERS - 1]}…"
