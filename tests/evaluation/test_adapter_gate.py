"""Which adapters may serve."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lorag.evaluation.adapter_gate import Champion, Examined, judge_adapter
from lorag.evaluation.exam import Marks
from lorag.evaluation.probes import Probe
from lorag.params import AdapterGateParams
from lorag.params_file import load_params
from lorag.strategies import AdapterKind

GATES = load_params(Path(__file__).parents[2] / "params.yaml").adapter_gate
GATE = AdapterGateParams(
    min_new_facts=0.5,
    max_old_loss=0.1,
    max_control_loss=0.2,
    min_refusal=0.5,
    min_context_reading=None,
    max_irrelevant_answered=None,
    min_gain_over_base=0.1,
    min_gain_over_champion=0.0,
)
DIGESTS = {"old": "1", "changed": "2", "new": "1"}
KNOWN = {"old": "1", "changed": "1", "gone": "1"}


def examined(facts: Mapping[str, float], **marks: float | None) -> Examined:
    accuracy = sum(facts.values()) / len(facts) if facts else None
    values: dict[str, Any] = {"controls": 0.8, "refusal": 0.9, "context_reading": None, "irrelevant_answered": None}
    return Examined(Marks(**({"accuracy": accuracy, "exact_match": accuracy, "f1": accuracy} | values | marks)), facts)


GOOD = examined({"old": 1.0, "changed": 1.0, "new": 0.5})
BASE = examined({"old": 0.0, "changed": 0.0, "new": 0.0})
CHAMPION = Champion(examined({"old": 1.0, "changed": 0.0, "new": 0.0}), KNOWN)


def judge(
    candidate: Examined, champion: Champion | None = CHAMPION, gate: AdapterGateParams = GATE, base: Examined = BASE
) -> dict[str, Probe]:
    return {probe.name: probe for probe in judge_adapter(candidate, base, champion, DIGESTS, gate)}


def failed(probes: Mapping[str, Probe]) -> set[str]:
    return {name for name, probe in probes.items() if not probe.passed}


def test_a_good_adapter_passes_every_probe() -> None:
    probes = judge(GOOD)
    assert failed(probes) == set()
    assert list(probes) == [
        "new_facts", "old_facts_lost", "controls_lost", "refusal", "gain_over_base", "gain_over_champion"
    ]  # fmt: skip


def test_without_a_champion_all_facts_are_new() -> None:
    probes = judge(GOOD, None)
    assert probes["new_facts"].value == pytest.approx(2.5 / 3)
    assert not probes.keys() & {"old_facts_lost", "gain_over_champion"}


def test_a_fact_that_changed_is_new_and_the_champion_loses_nothing_by_its_old_answer() -> None:
    probes = judge(GOOD)
    assert probes["new_facts"].value == pytest.approx(0.75)
    assert probes["old_facts_lost"].value == 0.0
    stale = Champion(examined({"old": 1.0, "changed": 1.0, "new": 1.0}), KNOWN)
    assert judge(GOOD, stale)["old_facts_lost"].value == 0.0


def test_where_nothing_is_new_nothing_new_is_asked_for() -> None:
    probes = judge(GOOD, Champion(CHAMPION.examined, DIGESTS))
    assert "new_facts" not in probes
    assert probes["old_facts_lost"].value == pytest.approx(1 / 3 - 2.5 / 3)


@pytest.mark.parametrize(
    ("candidate", "names"),
    [
        (examined({"old": 1.0, "changed": 0.5, "new": 0.0}), {"new_facts"}),
        (examined({"old": 0.5, "changed": 1.0, "new": 1.0}), {"old_facts_lost"}),
        (examined({"old": 1.0, "changed": 1.0, "new": 1.0}, controls=0.5), {"controls_lost"}),
        (examined({"old": 1.0, "changed": 1.0, "new": 1.0}, controls=None), {"controls_lost"}),
        (examined({"old": 1.0, "changed": 1.0, "new": 1.0}, refusal=0.4), {"refusal"}),
        (
            examined({"old": 0.0, "changed": 0.0, "new": 0.0}),
            {"new_facts", "old_facts_lost", "gain_over_base", "gain_over_champion"},
        ),
        (examined({"old": 1.0, "changed": 1.0, "new": 1.0}, accuracy=0.2), {"gain_over_champion"}),
    ],
)
def test_a_failing_probe_is_named(candidate: Examined, names: set[str]) -> None:
    champion = Champion(examined({"old": 1.0, "changed": 0.0, "new": 0.0}), KNOWN)
    assert failed(judge(candidate, champion)) == names


@pytest.mark.parametrize("name", ["accuracy", "controls", "refusal"])
def test_what_is_not_a_number_fails(name: str) -> None:
    candidate = replace(GOOD, marks=replace(GOOD.marks, **{name: float("nan")}))
    assert failed(judge(candidate))


def test_facts_that_are_no_numbers_fail() -> None:
    assert {"new_facts", "old_facts_lost"} <= failed(judge(examined(dict.fromkeys(DIGESTS, float("nan")))))


def test_an_exam_without_questions_fails() -> None:
    assert "gain_over_base" in failed(judge(examined({}, controls=None, refusal=None), None))


def test_a_champion_that_is_no_number_is_no_excuse() -> None:
    champion = Champion(examined(dict.fromkeys(DIGESTS, float("nan"))), KNOWN)
    assert {"old_facts_lost", "gain_over_champion"} <= failed(judge(GOOD, champion))


def test_a_limit_that_is_met_exactly_passes() -> None:
    exact = examined({"old": 1.0, "changed": 0.5, "new": 0.5}, refusal=0.5)
    assert failed(judge(exact, base=examined({"old": 0.5, "changed": 0.5, "new": 0.0}))) == set()


def test_the_hybrid_gate_asks_for_reading_and_fails_where_it_was_not_asked() -> None:
    assert failed(judge(GOOD, gate=GATES[AdapterKind.HYBRID])) == {"context_reading", "irrelevant_answered"}
    read = replace(GOOD, marks=replace(GOOD.marks, context_reading=0.9, irrelevant_answered=0.1))
    assert failed(judge(read, gate=GATES[AdapterKind.HYBRID])) == set()
    parrot = replace(GOOD, marks=replace(GOOD.marks, context_reading=0.5, irrelevant_answered=0.6))
    assert failed(judge(parrot, gate=GATES[AdapterKind.HYBRID])) == {"context_reading", "irrelevant_answered"}


def test_without_a_limit_a_figure_is_measured_and_passes() -> None:
    read = replace(GOOD, marks=replace(GOOD.marks, context_reading=0.0))
    probe = judge(read)["context_reading"]
    assert (probe.value, probe.limit, probe.passed) == (0.0, None, True)
    assert probe.line() == "context_reading 0.000"


def test_a_line_for_a_person() -> None:
    assert Probe("refusal", 0.4, 0.5, passed=False).line() == "refusal 0.400 against a limit of 0.500"


def test_a_loss_and_a_gain_that_meet_their_limits_in_whole_facts_pass() -> None:
    """As floats 20/20 - 19/20 is more than 0.05, and 6/20 - 5/20 is less."""
    gate = GATE.model_copy(update={"min_new_facts": 0.0, "max_old_loss": 0.05, "max_control_loss": 0.05})
    gate = gate.model_copy(update={"min_gain_over_base": 0.05, "min_gain_over_champion": -0.05})
    digests = {f"f{number}": "1" for number in range(20)}
    all_right, one_lost = dict.fromkeys(digests, 1.0), {**dict.fromkeys(digests, 1.0), "f0": 0.0}
    champion = Champion(examined(all_right, accuracy=20 / 20), digests)
    candidate = examined(one_lost, controls=19 / 20, accuracy=19 / 20)
    base = examined(all_right, controls=20 / 20, accuracy=18 / 20)
    assert not [probe for probe in judge_adapter(candidate, base, champion, digests, gate) if not probe.passed]
    six, five = examined(all_right, accuracy=6 / 20), examined(all_right, accuracy=5 / 20)
    gains = {probe.name: probe for probe in judge_adapter(six, five, None, digests, gate)}
    assert gains["gain_over_base"].passed and gains["gain_over_base"].value == 0.05
    more = gate.model_copy(update={"max_old_loss": 0.0499})
    assert [p.name for p in judge_adapter(candidate, base, champion, digests, more) if not p.passed] == [
        "old_facts_lost"
    ]
