"""The change of each fact from one version of the knowledge to the next, and measures of how answers follow it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from lorag.digests import digest_of
from lorag.evaluation.answer_measures import is_right, value_of
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.answers import contains_answer
from lorag.evaluation.bootstrap import Bootstrap, Estimate, Part
from lorag.evaluation.question_set import SetQuestion
from lorag.questions.facts import fact_of
from lorag.questions.questions import Question
from lorag.questions.words import words


class Change(StrEnum):
    """The change of a fact since the version before; in the first version every fact is added."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"


SAME = frozenset({"unchanged", "reworded", "moved"})
"""The labels of a question that say its fact is the same, however the answer is written now."""

MEASURES: Mapping[str, str] = {
    "accuracy": "of all questions that are valid: right",
    "changed": "of changed facts: right",
    "added": "of added facts: right",
    "unchanged": "of unchanged facts: right",
    "stale": "of changed facts: answered as an older version had it, and not as this one has it",
    "removed_leaked": "of removed facts: still answered as before",
    "forgotten": "of unchanged facts that were right in the version before: wrong now",
    "controls": "of questions on general knowledge, which adapters are asked: right",
}
"""The measures, each a share."""


def label_changes(valid: Sequence[SetQuestion], before: Sequence[SetQuestion] | None) -> list[SetQuestion]:
    """Return the questions with their `Change` as stratum; `before` are those of the last version, None for the first.

    A fact has changed if no answer is accepted in both versions, unless the question's own label says that the fact is
    the same.
    """
    known = _accepted_words(before or ())
    return [replace(question, stratum=_change_of(question, known)) for question in valid]


def removed_questions(valid: Sequence[SetQuestion], before: Sequence[SetQuestion] | None) -> list[SetQuestion]:
    """Return the questions of the version before whose fact was removed; they accept the old answer."""
    facts = {question.fact_id for question in valid}
    gone = [question for question in before or () if question.fact_id not in facts]
    return [replace(q, stratum=Change.REMOVED.value, gold_documents=(), gold_chunks=()) for q in gone]


def changed_share(version: Sequence[SetQuestion], later: Sequence[Sequence[SetQuestion]]) -> float:
    """Return the share of the facts of a version that changed in one of the later ones, or are not in the last.

    The `later` questions are in order and were labelled by `label_changes`. Returns 0 for a version without facts.
    """
    facts = {question.fact_id for question in version}
    moved = {q.fact_id for questions in later for q in questions if q.stratum == Change.CHANGED}
    kept = {question.fact_id for question in later[-1]} - moved
    return len(facts - kept) / max(1, len(facts))


def outdated_answers(
    valid: Sequence[SetQuestion], earlier: Iterable[Sequence[SetQuestion]]
) -> dict[str, tuple[str, ...]]:
    """Return by fact the answers that an earlier version accepted and this one does not."""
    now = _accepted_words(valid)
    found: dict[str, dict[str, None]] = {}
    for question in (question for questions in earlier for question in questions):
        for answer in question.accepted:
            if question.fact_id in now and _words(answer) not in now[question.fact_id]:
                found.setdefault(question.fact_id, {})[answer] = None
    return {fact: tuple(answers) for fact, answers in found.items()}


def choose_facts(versions: Sequence[Sequence[Question]], limit: int) -> frozenset[str]:
    """Choose at most `limit` facts, by hash; about half of them are added, changed or removed, if there are enough."""
    answers = [_accepted_by_fact(questions) for questions in versions]
    facts = sorted({fact for known in answers for fact in known}, key=lambda fact: digest_of(["timeline", fact]))
    moving = [fact for fact in facts if len({known.get(fact) for known in answers}) > 1]
    steady = [fact for fact in facts if fact not in set(moving)]
    n_moving = max(limit // 2, limit - len(steady))
    chosen = moving[:n_moving]
    return frozenset([*chosen, *steady[: limit - len(chosen)]])


def choose_probes(rows: Sequence[AnswerRow], lucky: Collection[str], most: int) -> list[SetQuestion]:
    """Choose up to `most` questions on changed and added facts, by hash, that show whether a change has arrived.

    `lucky` are facts that were answered right without the change, so they would show nothing.
    """
    news = [row.question for row in rows if row.question.stratum in (Change.CHANGED, Change.ADDED)]
    telling = [question for question in news if question.fact_id not in lucky]
    return sorted(telling, key=lambda question: digest_of(["fresh", question.fact_id, question.id]))[:most]


def right_facts(rows: Sequence[AnswerRow]) -> frozenset[str]:
    """Return the valid facts whose questions were all answered right."""
    asked = [row for row in rows if row.question.stratum != Change.REMOVED]
    wrong = {row.question.fact_id for row in asked if not is_right(row)}
    return frozenset(row.question.fact_id for row in asked) - wrong


def is_stale(row: AnswerRow, outdated: Mapping[str, Sequence[str]]) -> bool:
    """Whether the answer contains an outdated one, and none that is accepted now."""
    return not is_right(row) and contains_answer(value_of(row), outdated.get(row.question.fact_id, ()))


def measure_answers(
    rows: Sequence[AnswerRow],
    outdated: Mapping[str, Sequence[str]],
    right_before: Collection[str],
    bootstrap: Bootstrap,
) -> dict[str, Estimate]:
    """Return each of `MEASURES` on facts that has questions; the questions have their `Change` as stratum.

    `right_before` are the facts that the same strategy answered right in the version before.
    """
    of = {change: [row for row in rows if row.question.stratum == change] for change in Change}
    parts = {
        "accuracy": [_part(row, is_right(row)) for row in rows if row.question.stratum != Change.REMOVED],
        "changed": [_part(row, is_right(row)) for row in of[Change.CHANGED]],
        "added": [_part(row, is_right(row)) for row in of[Change.ADDED]],
        "unchanged": [_part(row, is_right(row)) for row in of[Change.UNCHANGED]],
        "stale": [_part(row, is_stale(row, outdated)) for row in of[Change.CHANGED]],
        "removed_leaked": [_part(row, is_right(row)) for row in of[Change.REMOVED]],
        "forgotten": [
            _part(row, not is_right(row)) for row in of[Change.UNCHANGED] if row.question.fact_id in right_before
        ],
    }
    return {name: found for name, given in parts.items() if (found := bootstrap.estimate(given))}


def _part(row: AnswerRow, value: bool) -> Part:
    return Part(row.question.fact_id, float(value))


def _change_of(question: SetQuestion, known: Mapping[str, Collection[tuple[str, ...]]]) -> str:
    if question.fact_id not in known:
        return Change.ADDED.value
    shared = any(_words(answer) in known[question.fact_id] for answer in question.accepted)
    return (Change.UNCHANGED if shared or question.stratum in SAME else Change.CHANGED).value


def _accepted_words(questions: Sequence[SetQuestion]) -> dict[str, set[tuple[str, ...]]]:
    found: dict[str, set[tuple[str, ...]]] = {}
    for question in questions:
        found.setdefault(question.fact_id, set()).update(_words(answer) for answer in question.accepted)
    return found


def _accepted_by_fact(questions: Sequence[Question]) -> dict[str, frozenset[tuple[str, ...]]]:
    found: dict[str, frozenset[tuple[str, ...]]] = {}
    for question in questions:
        if question.answers:
            fact = fact_of(question)
            found[fact] = found.get(fact, frozenset()) | {_words(answer) for answer in question.answers}
    return found


def _words(answer: str) -> tuple[str, ...]:
    return tuple(words(answer))
