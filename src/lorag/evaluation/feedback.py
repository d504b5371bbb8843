"""The verdicts on one answer, as the traces of a comparison and of a timeline walk show them."""

from collections.abc import Mapping, Sequence

from lorag.evaluation.answer_measures import has_declined, has_style, is_right
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.question_set import Topic
from lorag.evaluation.timeline import Change, is_stale


def judge_answer(
    row: AnswerRow, *, reads: bool, outdated: Mapping[str, Sequence[str]] | None = None
) -> dict[str, bool]:
    """Return each verdict that applies to the answer, by name.

    `right` applies to questions with accepted answers, `declined` to unanswerable ones, `style` to those with a wanted
    form, and `cited` to a strategy that `reads`. In a walk, `outdated` holds the answers of earlier versions by fact.
    Then a changed fact also gets `stale`, and a removed one gets `leaked` instead of `right`.
    """
    question = row.question
    verdicts: dict[str, bool] = {}
    if question.stratum == Change.REMOVED and outdated is not None:
        verdicts["leaked"] = is_right(row)
    elif question.accepted:
        verdicts["right"] = is_right(row)
    if question.topic is Topic.UNANSWERABLE:
        verdicts["declined"] = has_declined(row)
    if question.pattern is not None:
        verdicts["style"] = has_style(row)
    if question.stratum == Change.CHANGED and outdated is not None:
        verdicts["stale"] = is_stale(row, outdated)
    if reads:
        verdicts["cited"] = bool(row.answer.citations)
    return verdicts
