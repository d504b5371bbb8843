"""How many answers to facts a model generated, how many are quotes and how many were declined, right and wrong."""

from collections.abc import Mapping, Sequence

from lorag.answering.strategies import AnswerKind
from lorag.evaluation.answer_measures import has_declined, is_right
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.question_set import Topic

KINDS: Mapping[str, str] = {
    "generated_right": "generated, right",
    "generated_wrong": "generated, wrong",
    "quoted_right": "quoted, holds the answer",
    "quoted_wrong": "quoted, does not",
    "declined": "declined",
}
"""The kinds that are counted, in order, each with its label."""


def count_kinds(rows: Sequence[AnswerRow]) -> dict[str, int]:
    """Return the number of answers to facts by kind; all together are the facts that were asked."""
    counts = dict.fromkeys(KINDS, 0)
    for row in rows:
        if row.question.topic is Topic.FACT:
            counts[kind_of(row)] += 1
    return counts


def kind_of(row: AnswerRow) -> str:
    """Return the key in `KINDS` of an answer; a quote is right if it states an accepted answer."""
    if has_declined(row):
        return "declined"
    quoted = row.answer.kind is AnswerKind.QUOTED
    return f"{'quoted' if quoted else 'generated'}_{'right' if is_right(row) else 'wrong'}"
