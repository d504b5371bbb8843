from dataclasses import replace

import pytest

from lorag.answering.citations import Citation
from lorag.answering.declining import DECLINE
from lorag.answering.strategies import Answer
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.feedback import judge_answer
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.timeline import Change

FACT = SetQuestion("q", Topic.FACT, "depth", "unlabelled", "How deep is berth 4?", ("7.2 metres",))
RIGHT = Answer("It is 7.2 metres deep.", (), False, False, (), 10, 5)
QUOTE = Citation("berths.md", "v1", "c1", "Berth 4 is 7.2 metres deep.", 0, 27)
OUTDATED = {"depth": ("6.9 metres",)}

CASES = {
    "a right answer": (FACT, RIGHT, False, None, {"right": True}),
    "a wrong answer": (FACT, replace(RIGHT, text="It is 5 metres."), False, None, {"right": False}),
    "read, without a citation": (FACT, RIGHT, True, None, {"right": True, "cited": False}),
    "read and cited": (FACT, replace(RIGHT, citations=(QUOTE,)), True, None, {"right": True, "cited": True}),
    "nothing to answer": (
        replace(FACT, topic=Topic.UNANSWERABLE, accepted=()),
        replace(RIGHT, text=DECLINE),
        False,
        None,
        {"declined": True},
    ),
    "the answer of an earlier version": (
        replace(FACT, stratum=Change.CHANGED.value),
        replace(RIGHT, text="It is 6.9 metres deep."),
        False,
        OUTDATED,
        {"right": False, "stale": True},
    ),
    "a removed fact still answered": (
        replace(FACT, stratum=Change.REMOVED.value),
        RIGHT,
        False,
        OUTDATED,
        {"leaked": True},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of_an_answer(case: str) -> None:
    question, answer, reads, outdated, expected = CASES[case]
    assert judge_answer(AnswerRow(question, answer), reads=reads, outdated=outdated) == expected
