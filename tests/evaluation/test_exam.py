"""What an answer gets, and what a refusal looks like."""

import pytest

from lorag.answering.declining import DECLINE
from lorag.evaluation.exam import Asked, Topic, answer_table, is_right, mark, mark_facts


def ask(topic: Topic, *accepted: str, fact_id: str = "") -> Asked:
    return Asked(topic, "?", (), accepted, fact_id)


@pytest.mark.parametrize(
    ("accepted", "text", "right"),
    [
        (("4 metres",), "4 metres", True),
        (("4 metres",), DECLINE, False),
        ((), DECLINE, True),
        ((), "4 metres", False),
        ((), "", False),
    ],
)
def test_without_accepted_answers_only_a_refusal_is_right(accepted: tuple[str, ...], text: str, right: bool) -> None:
    assert is_right(ask(Topic.FACT, *accepted), text) is right


def test_marks_by_topic() -> None:
    rows = [
        (ask(Topic.FACT, "4 metres", fact_id="a"), "4 metres"),
        (ask(Topic.FACT, "4 metres", fact_id="a"), "It has 4 metres"),
        (ask(Topic.FACT, "tea", fact_id="b"), "coffee"),
        (ask(Topic.FACT, "rum", fact_id="c"), DECLINE),
        (ask(Topic.CONTROL, "Paris"), "Paris"),
        (ask(Topic.CONTROL, "1492"), "1493"),
        (ask(Topic.REFUSAL), "I do not know."),
        (ask(Topic.CHANGED_CONTEXT, "5 metres"), "4 metres"),
        (ask(Topic.CHANGED_CONTEXT, "6 metres"), "6 metres"),
        (ask(Topic.IRRELEVANT_CONTEXT), "4 metres"),
        (ask(Topic.IRRELEVANT_CONTEXT), DECLINE),
        (ask(Topic.IRRELEVANT_CONTEXT), DECLINE),
        (ask(Topic.IRRELEVANT_CONTEXT), DECLINE),
    ]
    paper, answers = [row[0] for row in rows], [row[1] for row in rows]
    marks = mark(paper, answers)
    assert (marks.accuracy, marks.exact_match) == (0.5, 0.25)
    assert marks.f1 == pytest.approx((1 + 2 * (2 / 4) / (1 + 2 / 4) + 0 + 0) / 4)
    assert (marks.controls, marks.refusal, marks.context_reading, marks.irrelevant_answered) == (0.5, 1.0, 0.5, 0.25)
    assert mark_facts(paper, answers) == {"a": 1.0, "b": 0.0, "c": 0.0}
    table = answer_table(paper, answers)
    assert [row["right"] for row in table[:4]] == [True, True, False, False]
    assert table[2] | {"topic": "fact", "fact_id": "b", "answer": "coffee", "accepted": ["tea"]} == table[2]


def test_what_was_not_asked_has_no_mark() -> None:
    marks = mark([], [])
    assert {value for value in (marks.accuracy, marks.controls, marks.refusal, marks.irrelevant_answered)} == {None}


def test_answers_stand_for_the_questions_one_by_one() -> None:
    with pytest.raises(ValueError, match="zip"):
        mark([ask(Topic.FACT, "a")], [])


def test_a_value_and_its_quote_are_judged_apart() -> None:
    asked = ask(Topic.FACT, "7.2 metres")
    assert is_right(asked, "7.2 metres") and is_right(asked, '7.2 metres ("Berth 4 is 7.2 metres deep.")')
    assert not is_right(asked, '9 metres ("Berth 4 is 7.2 metres deep.")'), "the quote does not answer"
    assert is_right(asked, 'Some depth ("7.2 metres")'), "two words in brackets are no sentence"
    marks = mark([asked], ['7.2 metres ("Berth 4 is 7.2 metres deep.")'])
    assert (marks.accuracy, marks.exact_match, marks.f1) == (1.0, 1.0, 1.0)
