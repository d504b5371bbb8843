"""Which limits a training set cannot meet, before anything is trained."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from lorag.params import AdapterGateParams
from lorag.questions.coverage import Coverage
from lorag.strategies import AdapterKind
from lorag.tuning.forecast import Estimate, Forecast, Obstacle, PlannedFact, find_obstacles

GATE = AdapterGateParams(
    min_new_facts=0.5,
    max_old_loss=0.05,
    max_control_loss=0.35,
    min_refusal=0.5,
    min_context_reading=None,
    max_irrelevant_answered=None,
    min_gain_over_base=0.05,
    min_gain_over_champion=0.0,
)
FACT = PlannedFact("f", "Where?", 1, 2, True, True, True, frozenset({"a.md"}))


def facts(n_single: int, n_reworded: int, **changes: object) -> list[PlannedFact]:
    wordings = [1] * n_single + [3] * n_reworded
    return [
        replace(FACT, id=f"f{at}", question=f"Question {at}?", n_wordings=n, documents=frozenset({str(at)}), **changes)
        for at, n in enumerate(wordings)
    ]


def find(
    planned: Sequence[PlannedFact],
    kind: AdapterKind = AdapterKind.TUNED,
    *,
    gate: AdapterGateParams = GATE,
    n_controls: int = 48,
    n_parameters: int | None = 135_000_000,
) -> list[Obstacle]:
    return find_obstacles(kind, planned, n_controls=n_controls, n_parameters=n_parameters, params=gate)


def certain(found: Sequence[Obstacle]) -> set[str]:
    return {obstacle.limit for obstacle in found if obstacle.is_certain}


@pytest.mark.parametrize(
    ("single", "reworded", "limit", "expected", "reason"),
    [
        (15, 0, 0.5, {"new_facts"}, "49.3 % of 15 are 7 facts, 8 are needed"),
        (215, 0, 0.5, {"new_facts"}, "the measured case, which its gate refused"),
        (215, 0, 0.49, set(), "the measured case with a limit that it met"),
        (13, 2, 0.5, set(), "2 and 49.3 % of 13 are 8: hard, not impossible"),
        (4, 0, 0.5, set(), "of so few facts two may well be right"),
        (5, 0, 0.5, {"new_facts"}, "49.3 % of 5 are 2 facts, 3 are needed"),
        (0, 15, 0.5, set(), "every fact has further wordings"),
        (0, 15, 1.0, set(), "nothing proves that a fact with wordings is not learned"),
        (15, 0, 0.0, set(), "nothing is asked for"),
    ],
)
def test_a_limit_cannot_be_met_where_too_many_facts_have_one_wording(
    single: int, reworded: int, limit: float, expected: set[str], reason: str
) -> None:
    gate = GATE.model_copy(update={"min_new_facts": limit})
    assert certain(find(facts(single, reworded), gate=gate)) == expected, reason


def test_what_is_hard_to_meet_is_said_and_names_the_questions_and_the_evidence() -> None:
    hard = next(obstacle for obstacle in find(facts(13, 2)) if obstacle.limit == "new_facts")
    assert not hard.is_certain
    assert hard.questions == tuple(f"Question {at}?" for at in range(13))
    assert "needs 8 of 15" in hard.sentence and "13 questions have no `phrasings`" in hard.sentence
    assert "docs/figures.md" in hard.evidence


def test_a_measurement_with_a_small_model_proves_nothing_about_a_large_one() -> None:
    assert certain(find(facts(15, 0), n_parameters=None)) == {"new_facts"}
    assert not certain(find(facts(15, 0), n_parameters=1_500_000_000))
    untaught = facts(15, 0, is_taught=False)
    assert certain(find(untaught, n_parameters=1_500_000_000)) == {"new_facts"}, "no model learns from no pair"


def test_an_adapter_that_reads_needs_no_further_wordings() -> None:
    assert not certain(find(facts(15, 0), AdapterKind.HYBRID))


def test_a_fact_that_the_served_adapter_knows_is_not_asked_for_as_new() -> None:
    old = facts(15, 0, is_new=False)
    found = find(old)
    assert not certain(found)
    assert [obstacle.limit for obstacle in found] == ["old_facts_lost"], "one of 15 is more than 0.05"


@pytest.mark.parametrize(("n", "limit", "expected"), [(12, 0.05, True), (20, 0.05, False), (0, 0.05, False)])
def test_a_loss_smaller_than_one_question_means_that_none_may_be_lost(n: int, limit: float, expected: bool) -> None:
    gate = GATE.model_copy(update={"max_control_loss": limit})
    found = [obstacle for obstacle in find(facts(0, 4), gate=gate, n_controls=n) if obstacle.limit == "controls_lost"]
    assert bool(found) is expected
    assert not any(obstacle.is_certain for obstacle in found)


@pytest.mark.parametrize(
    ("kind", "planned", "expected"),
    [
        (AdapterKind.TUNED, facts(0, 4), {"context_reading", "irrelevant_answered"}),
        (AdapterKind.HYBRID, facts(0, 4), set()),
        (AdapterKind.HYBRID, facts(0, 4, is_literal=False), {"context_reading"}),
        (AdapterKind.HYBRID, facts(0, 1), {"irrelevant_answered"}),
        (AdapterKind.HYBRID, [], {"context_reading", "irrelevant_answered", "gain_over_base"}),
    ],
)
def test_a_limit_on_what_is_never_measured_cannot_be_met(
    kind: AdapterKind, planned: list[PlannedFact], expected: set[str]
) -> None:
    gate = GATE.model_copy(update={"min_context_reading": 0.7, "max_irrelevant_answered": 0.3})
    assert certain(find(planned, kind, gate=gate)) == expected


def test_facts_that_are_examined_in_trained_words_are_named() -> None:
    found = find(facts(0, 4, n_held_out=0))
    assert [(obstacle.limit, obstacle.is_certain, len(obstacle.questions)) for obstacle in found] == [
        ("new_facts", False, 4)
    ]


def test_a_forecast_says_what_is_trained_and_stops_only_where_something_is() -> None:
    planned = facts(14, 1)
    forecast = Forecast(
        AdapterKind.TUNED,
        {"general": 3, "questions": 17},
        15,
        planned,
        500,
        10,
        Estimate(90, 2_048, "measured here"),
        Coverage(14, 75, 15, 880),
        find(planned),
    )
    assert forecast.stops and not replace(forecast, trains=False).stops
    text = "\n".join(forecast.lines(shown=5))
    for part in (
        "20 pairs (3 general, 17 questions), 15 facts, wordings of each: 1 at least, 1 in the median",
        "5,000 in at most 10 epochs",
        "about 1.5 minutes and 2,048 MB (measured here)",
        "14 of 75 documents (18.7%), 15 of 880 chunks (1.7%)",
        "cannot be met",
        "and 9 more",
    ):
        assert part in text
    assert "Question 13?" in "\n".join(forecast.lines())
    value = forecast.to_json()
    assert (value["stops"], len(value["without_phrasings"]), value["minutes"]) == (True, 14, 1.5)
