"""The choices of `auto` in a comparison, on a tiny workspace, and the seconds that they are charged."""

from dataclasses import replace

import pytest

from lorag.answering.strategies import Answer
from lorag.costs.records import Cost, Use
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.routing import Routing, Unrouted
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.compare.answer_seconds import Rates
from lorag.use_cases.compare.measure_speed import Speed, Timing
from lorag.use_cases.compare.route_questions import route_questions
from lorag.use_cases.compare.steps import Chosen, Timed
from lorag.use_cases.serve.kept_router import read_router
from tests.use_cases.conftest import Place

BASE, RAG, TUNED = Strategy.BASE, Strategy.RAG, Strategy.TUNED
BERTH, LEGS, SHOE = "How deep is berth 4?", "How many legs has a spider?", "Which shoe size has the cook of the galley?"


def answer(text: str = "", prompt: int = 100, generated: int = 10, *, abstained: bool = False) -> Answer:
    return Answer(text, (), False, abstained, (), prompt, generated)


def timing(given: Answer, asked_s: float | None, total_s: float) -> Timing:
    return Timing("q", given, 0, asked_s, None if asked_s is None else asked_s + 0.01, total_s)


TIMED = {
    # A search takes 0.2 s, judging 0.3 s, a token 1 ms to read and 10 ms to write.
    RAG: [timing(answer(generated=n), 0.2, 0.6 + n / 100) for n in (10, 40)],
    BASE: [timing(answer(prompt=n, generated=20), 0.0, n / 1000 + 0.2) for n in (20, 50)],
}


def test_the_seconds_of_an_answer_follow_from_its_tokens() -> None:
    rates = Rates.measure(TIMED)
    assert (rates.search_s, rates.judging_s) == (pytest.approx(0.2), pytest.approx(0.3))
    assert (rates.prompt_token_s, rates.generated_token_s) == (pytest.approx(0.001), pytest.approx(0.01))
    assert rates.look_s == pytest.approx(0.5)
    assert rates.seconds(RAG, answer()) == pytest.approx(0.7)
    assert rates.seconds(RAG, answer(abstained=True)) == pytest.approx(0.2), "no model was asked"
    assert rates.seconds(BASE, answer()) == pytest.approx(0.2)


def rows(strategy: Strategy, n: int) -> list[AnswerRow]:
    """Facts that rag answers, controls that base answers, and questions that rag declines."""
    asked = [
        (Topic.FACT, BERTH, ("7.25",), {RAG: "It is 7.25 metres."}),
        (Topic.CONTROL, LEGS, ("eight",), {BASE: "It has eight."}),
        (Topic.UNANSWERABLE, SHOE, (), {RAG: "I do not know."}),
    ]
    return [
        AnswerRow(SetQuestion(f"{at}", topic, f"{at}", topic.value, text, accepted), answer(said.get(strategy, "Rye.")))
        for at in range(n)
        for topic, text, accepted, said in asked
    ]


def timed(names: tuple[Strategy, ...]) -> list[Timed]:
    return [Timed(name, Speed(tuple(TIMED.get(name, TIMED[BASE])), Cost(Use(), 0.0, "EUR"))) for name in names]


def test_the_router_of_the_release_is_fitted_judged_and_kept(served: Place) -> None:
    release = served.publish_adapter(1, AdapterKind.TUNED)
    # The adapter that was compared is not the one that is served, so it takes no part.
    chosen = Chosen(release, (BASE, RAG, TUNED), {TUNED: "another"}, {}, {})
    answers = {name.value: rows(name, 20) for name in (BASE, RAG, TUNED)}

    def missing(n: int, limit: int | None, *names: Strategy) -> str:
        few = {name: given[: 3 * n] for name, given in answers.items()}
        found = route_questions(chosen, few, timed(names), served.workspace, served.params, limit)
        assert isinstance(found, Unrouted)
        return found.reason

    assert "a sample" in missing(20, 5, BASE, RAG)
    assert "fewer than two strategies" in missing(20, None, RAG, TUNED)
    assert "9 questions are too few" in missing(3, None, BASE, RAG)
    assert not served.workspace.routers.exists()

    found = route_questions(chosen, answers, timed((BASE, RAG, TUNED)), served.workspace, served.params, None)
    assert isinstance(found, Routing)
    assert found.chosen == {BASE: 20, RAG: 40}
    assert found.mix["auto"].value == 1.0 and found.mix["rag"].value == pytest.approx(2 / 3, abs=1e-5)
    # Answers from memory are quicker here, but they too wait for the search and the ranking.
    assert found.verdict.single is RAG and found.verdict.seconds == pytest.approx(0.7)
    assert found.verdict.reason is None
    kept = read_router(release, served.workspace, served.params)
    assert (kept.router, kept.single, kept.reason) == (found.router, RAG, None)
    assert kept.figures["gain"]["n"] == 30

    same = replace(chosen, adapters={TUNED: release.adapters[AdapterKind.TUNED].sha256})
    found = route_questions(same, answers, timed((BASE, RAG, TUNED)), served.workspace, served.params, None)
    assert isinstance(found, Routing) and len(found.chosen) == 3
