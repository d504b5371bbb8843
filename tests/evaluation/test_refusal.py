"""What a failed gate says: how many of how many, which questions, and what to do."""

from collections.abc import Mapping, Sequence

import pytest

from lorag.evaluation.adapter_gate import Champion, Examined, judge_adapter
from lorag.evaluation.exam import Marks, Topic
from lorag.evaluation.refusal import ExamRow, Refusal, explain_refusals
from lorag.params import AdapterGateParams
from lorag.strategies import AdapterKind

GATE = AdapterGateParams(
    min_new_facts=0.5,
    max_old_loss=0.05,
    max_control_loss=0.2,
    min_refusal=0.5,
    min_context_reading=0.5,
    max_irrelevant_answered=0.25,
    min_gain_over_base=0.5,
    min_gain_over_champion=0.25,
)
DIGESTS = {f"f{at}": "now" for at in range(15)}


def rows(topic: Topic, right: Sequence[bool], base: Sequence[bool] | None = None) -> list[ExamRow]:
    accepted = () if topic in (Topic.REFUSAL, Topic.IRRELEVANT_CONTEXT) else ("07:30",)
    return [
        ExamRow(topic, f"f{at}", f"{topic} {at}?", accepted, "07:30" if ok else "08:45", ok, bool(base and base[at]))
        for at, ok in enumerate(right)
    ]


def explain(
    asked: Sequence[ExamRow],
    *,
    known: Mapping[str, str] | None = None,
    champion_facts: Mapping[str, float] | None = None,
    one_wording: Sequence[str] = (),
) -> dict[str, Refusal]:
    """What is said after the real gate has judged answers that are right as the rows say."""

    def share(topic: Topic, *, base: bool = False) -> float | None:
        own = [row.is_base_right if base else row.is_right for row in asked if row.topic is topic]
        return sum(own) / len(own) if own else None

    def marks(*, base: bool) -> Marks:
        irrelevant = share(Topic.IRRELEVANT_CONTEXT)
        return Marks(
            accuracy=share(Topic.FACT, base=base),
            exact_match=None,
            f1=None,
            controls=share(Topic.CONTROL, base=base),
            refusal=share(Topic.REFUSAL),
            context_reading=share(Topic.CHANGED_CONTEXT),
            irrelevant_answered=None if irrelevant is None else 1 - irrelevant,
        )

    facts = {row.fact_id: float(row.is_right) for row in asked if row.topic is Topic.FACT}
    champion = None
    if known is not None:
        theirs = champion_facts or {}
        accuracy = sum(theirs.values()) / len(theirs)
        champion = Champion(Examined(Marks(accuracy, None, None, None, None, None, None), theirs), known)
    gate = GATE.model_copy(
        update={
            name: None
            for name, topic in (
                ("min_context_reading", Topic.CHANGED_CONTEXT),
                ("max_irrelevant_answered", Topic.IRRELEVANT_CONTEXT),
            )
            if share(topic) is None
        }
    )
    probes = judge_adapter(Examined(marks(base=False), facts), Examined(marks(base=True), {}), champion, DIGESTS, gate)
    found = explain_refusals(AdapterKind.TUNED, probes, asked, champion, DIGESTS, one_wording)
    return {refusal.probe.name: refusal for refusal in found}


def test_new_facts_are_counted_and_the_questions_that_lack_wordings_are_what_to_do_something_about() -> None:
    said = explain(rows(Topic.FACT, [True] * 6 + [False] * 9), one_wording=["f0", "f8", "f9"])["new_facts"]
    assert said.line() == "new_facts 0.400 against a limit of 0.500 (6 of 15 new facts right, 8 needed)"
    assert said.do[0] == "write `phrasings` for the 2 of these questions that have none"
    assert "training.tuned.epochs" in said.do[1]
    assert "adapter_gate.tuned.min_new_facts" in said.do[2] and "in seconds, without training" in said.do[2]
    lines = said.question_lines()
    assert lines[0] == 'new_facts: fact 6? – expected "07:30", given "08:45"'
    assert len(lines) == 6 and lines[-1] == "new_facts: and 4 more"
    assert (len(said.to_json(5)["questions"]), len(said.to_json()["questions"])) == (5, 9)


@pytest.mark.parametrize(
    ("probe", "asked", "counted", "n_missed"),
    [
        (
            "controls_lost",
            rows(Topic.CONTROL, [True, False, False, False], [True, True, True, False]),
            "1 of 4 control questions right, the base model 3, at most 0 may be lost",
            2,
        ),
        (
            "refusal",
            rows(Topic.REFUSAL, [True, False, False]),
            "1 of 3 questions without an answer declined, 2 needed",
            2,
        ),
        (
            "context_reading",
            rows(Topic.CHANGED_CONTEXT, [True, False, False]),
            "1 of 3 changed contexts answered from, 2 needed",
            2,
        ),
        (
            "irrelevant_answered",
            rows(Topic.IRRELEVANT_CONTEXT, [True, False, False, True]),
            "2 of 4 irrelevant contexts answered from, at most 1 allowed",
            2,
        ),
        (
            "gain_over_base",
            rows(Topic.FACT, [True, True, False, False], [True, False, False, False]),
            "2 of 4 questions on facts right, the base model 1, 3 needed",
            2,
        ),
    ],
)
def test_each_probe_is_counted_in_questions(probe: str, asked: list[ExamRow], counted: str, n_missed: int) -> None:
    others = [] if asked[0].topic is Topic.FACT else rows(Topic.FACT, [True])
    said = explain([*asked, *others])[probe]
    assert said.counted == counted
    assert len(said.missed) == n_missed
    assert said.do[-1].startswith("or change adapter_gate.tuned.")


def test_what_was_forgotten_is_what_the_served_adapter_still_knew() -> None:
    said = explain(
        rows(Topic.FACT, [True, False, False, True]),
        known={"f0": "now", "f1": "now", "f2": "now", "f3": "before"},
        champion_facts={"f0": 1.0, "f1": 1.0, "f2": 0.0, "f3": 0.0},
    )
    old = said["old_facts_lost"]
    assert old.counted == "1 of 3 facts that did not change right, the served adapter 2, at most 0 may be lost"
    assert [row.question for row in old.missed] == ["fact 1?"]
    assert said["gain_over_champion"].counted == "2 of 4 questions on facts right, the served adapter 2, 3 needed"


def test_a_figure_that_was_not_measured_is_named_as_such() -> None:
    said = explain(rows(Topic.CONTROL, [True], [True]))
    assert said["gain_over_base"].counted.startswith("not measured")
    assert said["gain_over_base"].to_json()["value"] is None


def test_a_question_to_decline_is_expected_to_be_declined() -> None:
    (line,) = explain([*rows(Topic.REFUSAL, [False]), *rows(Topic.FACT, [True])])["refusal"].question_lines()
    assert line == 'refusal: refusal 0? – expected to be declined, given "08:45"'


def test_nothing_is_explained_where_everything_passed() -> None:
    assert explain(rows(Topic.FACT, [True] * 4)) == {}
