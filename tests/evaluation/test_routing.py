"""Routers fitted on invented questions, whose best strategy follows from their signals."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from lorag.answering.routing import Router, Signals, read_signals
from lorag.answering.strategies import Answer, AnswerKind
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.router_fit import Case, Choice, choose_across, fit_router, halve
from lorag.evaluation.routing import Routing, best_single, calibrate, is_served_right, judge, judge_routing
from lorag.strategies import Strategy

BOOTSTRAP = Bootstrap(300, 0.95, 7)
BASE, RAG, TUNED = Strategy.BASE, Strategy.RAG, Strategy.TUNED
BOTH = frozenset({BASE, RAG})


def case(number: int, *, is_fact: bool, right: bool, base_right: bool = True) -> Case:
    """A fact that the search finds and rag answers, or a control that it does not find and base answers."""
    chance = random.Random(number)
    signals = (
        Signals(chance.uniform(0.6, 0.9), chance.uniform(4, 6)) if is_fact else Signals(chance.uniform(0, 0.3), None)
    )
    answered = {RAG: is_fact and right, BASE: not is_fact and base_right}
    topic = Topic.FACT if is_fact else Topic.CONTROL
    return Case(topic, f"f{number}", signals, answered, {RAG: 1.0, BASE: 0.5}, 0.1, BOTH)


CASES = [case(number, is_fact=number % 4 != 0, right=number % 10 != 1) for number in range(120)]


def test_a_router_learns_from_the_signals_who_is_right() -> None:
    router = fit_router(CASES, [BASE, RAG])
    fact, control = Signals(0.8, 5.0), Signals(0.1, None)
    assert router.choose(fact, BOTH) is RAG and router.choose(control, BOTH) is BASE
    assert router.chances(fact)[RAG] > 0.8 and router.chances(fact)[BASE] < 0.1
    assert router.choose(control, {RAG}) is RAG, "only what can answer is chosen"
    assert Router.from_json(router.to_json()) == router
    other = fit_router(list(reversed(CASES)), [RAG])
    assert other.weights[RAG] == pytest.approx(router.weights[RAG], abs=1e-5), "in any order, and for each alone"


def test_a_strategy_that_is_never_right_is_fitted_too() -> None:
    never = [replace(each, right={BASE: False, RAG: True}) for each in CASES]
    chances = fit_router(never, [BASE, RAG]).chances(Signals(0.5, 3.0))
    assert 0 < chances[BASE] < 0.1 and 0.9 < chances[RAG] < 1


def test_each_half_is_chosen_for_by_the_other() -> None:
    """In one half the answers are reversed: what that half teaches is wrong for the other, and only for it."""
    is_test = halve(CASES)
    reversed_half = [
        replace(each, right={name: not right for name, right in each.right.items()}) if test else each
        for each, test in zip(CASES, is_test, strict=True)
    ]
    choices = choose_across(reversed_half, [BASE, RAG])
    by_rag = [choice.strategy is RAG for choice in choices]
    facts = [each.topic is Topic.FACT for each in CASES]
    for fact, test, chosen in zip(facts, is_test, by_rag, strict=True):
        assert chosen is (fact if test else not fact)


def test_halves_are_of_each_topic_and_keep_a_fact_together() -> None:
    twice = [*CASES, *(replace(each, signals=Signals(0.5, 2.0)) for each in CASES)]
    is_test = halve(twice)
    assert is_test[: len(CASES)] == is_test[len(CASES) :]
    for topic in (Topic.FACT, Topic.CONTROL):
        halves = [test for each, test in zip(CASES, is_test, strict=False) if each.topic is topic]
        assert abs(2 * sum(halves) - len(halves)) <= 1


def test_it_serves_if_it_gains_beyond_chance_and_costs_no_more() -> None:
    choices = choose_across(CASES, [BASE, RAG])
    assert best_single(CASES, [BASE, RAG]) is RAG
    verdict = judge(CASES, choices, RAG, BOOTSTRAP)
    assert verdict.gain.value == pytest.approx(0.25) and verdict.gain.low > 0.15
    # Of four answers three cost a second, and one half a second and a look.
    assert (verdict.seconds, verdict.single_seconds) == (pytest.approx(0.9), 1.0)
    # 90 % of them are right, of rag's 65 %.
    assert (verdict.right_seconds, verdict.single_right_seconds) == pytest.approx((1.0, 1 / 0.65), abs=1e-5)
    assert verdict.reason is None

    slow = [replace(each, seconds={RAG: 1.0, BASE: 5.0}) for each in CASES]
    assert "each right answer takes 2.25 s and not 1.54 s" in str(judge(slow, choices, RAG, BOOTSTRAP).reason)
    useless = [replace(each, right={**each.right, BASE: False}) for each in CASES]
    assert "not beyond chance" in str(judge(useless, choices, RAG, BOOTSTRAP).reason)


def test_chances_are_compared_with_what_came_true() -> None:
    cases = [case(number, is_fact=True, right=number < 5) for number in range(10)]
    sure = [Choice(RAG, 0.95 if number < 5 else 0.35) for number in range(10)]
    found = calibrate(cases, sure)
    # Half of them are right and expected with 0.95, half are wrong and expected with 0.35.
    assert found.error == pytest.approx(0.5 * 0.05 + 0.5 * 0.35)
    assert found.bins == ((0.35, 0.0, 5), (0.95, 1.0, 5))
    assert found.curve[-1] == (1.0, 0.5) and (0.5, 0.0) in found.curve
    upside_down = [Choice(RAG, 0.35 if number < 5 else 0.95) for number in range(10)]
    assert calibrate(cases, upside_down).area > found.area


def test_a_question_without_an_answer_is_right_if_it_is_declined() -> None:
    answer = Answer("It is 43.", (), False, False, (), 3, 2)
    declined = replace(answer, text="I do not know.", kind=AnswerKind.DECLINED)
    shoe = SetQuestion("q", Topic.UNANSWERABLE, "u", "unanswerable", "Shoe size?", ())
    paris = SetQuestion("q", Topic.CONTROL, "c", "control", "Capital?", ("43",))
    assert [is_served_right(AnswerRow(shoe, each)) for each in (answer, declined)] == [False, True]
    assert [is_served_right(AnswerRow(paris, each)) for each in (answer, declined)] == [True, False]


def routed(cases: Sequence[Case] = CASES) -> Routing:
    def row(each: Case, strategy: Strategy) -> AnswerRow:
        question = SetQuestion(each.cluster, each.topic, each.cluster, each.topic.value, each.cluster, ("yes",))
        text = "yes" if each.right[strategy] else "no"
        return AnswerRow(question, Answer(text, (), False, False, (), 3, 2))

    answers = {name: [row(each, name) for each in cases] for name in (BASE, RAG)}
    return judge_routing(cases, answers, {}, [1], BOOTSTRAP)


def test_the_figures_are_those_of_the_answers_that_were_chosen() -> None:
    found = routed()
    assert found.chosen == {BASE: 30, RAG: 90}
    assert found.figures["controls"].value == 1.0
    assert found.figures["accuracy"].value == pytest.approx(78 / 90, abs=1e-5)
    assert found.against["controls"].value == 1.0 and found.against["accuracy"].value == 0.0
    assert {name: share.value for name, share in found.mix.items()} == pytest.approx(
        {"base": 30 / 120, "rag": 78 / 120, "auto": 108 / 120}, abs=1e-5
    )
    assert found.verdict.gain.n == sum(halve(CASES)), "the verdict is on what the kept router never saw"
    calibration = [each for each, test in zip(CASES, halve(CASES), strict=True) if not test]
    assert found.router == fit_router(calibration, [BASE, RAG])
    assert found.to_json()["serves"] is True


def test_nothing_found_has_no_certainty() -> None:
    assert read_signals("How deep?", None, [], lambda texts: pytest.fail("nothing to embed")) == Signals(0.0, None)
