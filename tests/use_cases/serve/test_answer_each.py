"""Who agrees with whom, and a verdict on what was answered."""

import pytest

from lorag.answering.strategies import Answer, AnswerKind
from lorag.costs.records import Cost, Use
from lorag.params_file import load_params
from lorag.strategies import Strategy
from lorag.use_cases.serve.answer_each import find_agreement
from lorag.use_cases.serve.answer_result import AnswerResult
from tests.servers import ROOT

QUESTION = "How deep is berth 4?"


def answered(strategy: Strategy, text: str, kind: AnswerKind = AnswerKind.GENERATED) -> AnswerResult:
    answer = Answer(text, (), False, False, (), 0, 0, kind=kind)
    return AnswerResult(QUESTION, strategy, answer, "000001-x", None, Cost(Use(), 0.0, "EUR"))


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ("7.25 metres", "Berth 4 is 7.25 metres deep at the lowest tide.", True),
        ("Berth 4 is 7.25 metres deep.", "7.25 m", True),
        ("7.25 metres", "9.10 metres", False),
        ("It is 7.25 metres deep.", "It is not 7.25 metres deep.", False),
    ],
    ids=["a value and its sentence", "another unit's name", "another value", "a negation"],
)
def test_answers_agree_if_one_states_the_other(one: str, other: str, agree: bool) -> None:
    params = load_params(ROOT / "params.yaml")
    found = find_agreement([answered(Strategy.BASE, one), answered(Strategy.RAG, other)], params)
    assert found == ({"base": ("rag",), "rag": ("base",)} if agree else {"base": (), "rag": ()})


def test_those_that_decline_agree_with_each_other_alone() -> None:
    declined = [answered(name, "I do not know.", AnswerKind.DECLINED) for name in (Strategy.BASE, Strategy.TUNED)]
    found = find_agreement([*declined, answered(Strategy.RAG, "7.25 metres")], load_params(ROOT / "params.yaml"))
    assert found == {"base": ("tuned",), "tuned": ("base",), "rag": ()}
