"""What became of facts between versions, and what answers say of that: tables with a reason a row."""

import json

import pytest

from lorag.answering.strategies import Answer
from lorag.costs.records import Cost, Use
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Bootstrap, Estimate
from lorag.evaluation.question_set import UNLABELLED, SetQuestion, Topic
from lorag.evaluation.timeline import (
    changed_share,
    choose_facts,
    choose_probes,
    is_stale,
    label_changes,
    measure_answers,
    outdated_answers,
    removed_questions,
    right_facts,
)
from lorag.evaluation.timeline_records import AgedRow, Freshness, Moment, Timeline, TimelineRow, TimelineStep
from lorag.questions.questions import Question
from lorag.reports.timeline_plots import plot_freshness, plot_leftovers
from lorag.strategies import Strategy

BOOTSTRAP = Bootstrap(samples=100, confidence=0.95, seed=7)


def asked(fact: str, *accepted: str, label: str = UNLABELLED, name: str = "") -> SetQuestion:
    return SetQuestion(name or f"q-{fact}", Topic.FACT, fact, label, f"What is {fact}?", accepted, (f"{fact}.md",))


def answered(question: SetQuestion, text: str) -> AnswerRow:
    return AnswerRow(question, Answer(text, (), True, False, (), 1, 1))


CHANGES = {
    "another answer": (("14 knots",), UNLABELLED, "changed"),
    "another answer, and the label says so": (("14 knots",), "changed", "changed"),
    "the old answer and a further one": (("14 knots", "12 Knots."), UNLABELLED, "unchanged"),
    "labelled changed over all versions, but not in this one": (("12 knots",), "changed", "unchanged"),
    "written otherwise, which the label knows": (("12 kn",), "reworded", "unchanged"),
    "moved to another document": (("12 knots",), "moved", "unchanged"),
    "a label of no meaning here": (("14 knots",), "initial", "changed"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_became_of_a_fact(case: str) -> None:
    accepted, label, change = CHANGES[case]
    before = [asked("wind", "12 knots")]
    assert [q.stratum for q in label_changes([asked("wind", *accepted, label=label)], before)] == [change]


def test_new_and_removed_facts() -> None:
    before = [asked("wind", "12 knots"), asked("crew", "four")]
    now = [asked("wind", "12 knots"), asked("berth", "9")]
    assert [q.stratum for q in label_changes(now, before)] == ["unchanged", "added"]
    assert [q.stratum for q in label_changes(now, None)] == ["added", "added"]
    (gone,) = removed_questions(now, before)
    assert (gone.fact_id, gone.stratum, gone.accepted, gone.gold_documents) == ("crew", "removed", ("four",), ())
    assert removed_questions(now, None) == []


def test_the_share_that_changed_is_of_the_facts_of_the_earlier_version() -> None:
    first = [asked("wind", "12 knots"), asked("crew", "four"), asked("berth", "9"), asked("mast", "one")]
    second = label_changes([asked("wind", "14 knots"), *first[1:], asked("new", "7")], first)
    third = label_changes([asked("wind", "14 knots"), *first[2:], asked("new", "8")], second)
    assert changed_share(first, [second]) == 0.25, "what is new does not count"
    assert changed_share(first, [second, third]) == 0.5, "one changed in the version between, one was removed"
    assert changed_share(second, [third]) == 0.4
    assert changed_share([], [second]) == 0.0


def test_a_fact_is_known_by_its_id_whatever_its_question_is_called() -> None:
    before = [asked("wind", "12 knots", name="wind-2023")]
    now = [asked("wind", "14 knots", name="wind-2024")]
    assert label_changes(now, before)[0].stratum == "changed"
    assert removed_questions(now, before) == []


def test_answers_of_any_older_version_are_outdated_unless_they_hold_again() -> None:
    first, second = [asked("wind", "12 knots"), asked("crew", "four")], [asked("wind", "14 knots")]
    assert outdated_answers([asked("wind", "16 knots")], [first, second]) == {"wind": ("12 knots", "14 knots")}
    assert outdated_answers([asked("wind", "The 12 knots")], [first, second]) == {"wind": ("14 knots",)}


STALE = {
    "the old answer": ("It is 12 knots.", True),
    "the answer of two versions ago": ("10 knots", True),
    "the new answer": ("14 knots", False),
    "both: the new one is there": ("Once 12 knots, now 14 knots", False),
    "neither": ("I don't know.", False),
    "part of another number": ("112 knots", False),
}


@pytest.mark.parametrize("case", STALE)
def test_staleness(case: str) -> None:
    text, stale = STALE[case]
    row = answered(asked("wind", "14 knots", label="changed"), text)
    assert is_stale(row, {"wind": ("10 knots", "12 knots")}) is stale


def test_each_share_has_its_own_facts() -> None:
    rows = [
        answered(asked("wind", "14", label="changed"), "12"),
        answered(asked("fare", "3", label="changed"), "3"),
        answered(asked("berth", "9", label="added"), "9"),
        answered(asked("crew", "four", label="unchanged"), "four"),
        answered(asked("depth", "7", label="unchanged"), "8"),
        answered(asked("name", "Tove", label="unchanged"), "Kestrel"),
        answered(asked("waste", "Tuesday", label="removed"), "On Tuesday"),
        answered(asked("goods", "pier 4", label="removed"), "I don't know."),
    ]
    found = measure_answers(rows, {"wind": ("12",)}, {"crew", "depth", "wind"}, BOOTSTRAP)
    shares = {name: (round(estimate.value, 3), estimate.n) for name, estimate in found.items()}
    assert shares == {
        "accuracy": (0.5, 6),
        "changed": (0.5, 2),
        "added": (1.0, 1),
        "unchanged": (0.333, 3),
        "stale": (0.5, 2),
        "removed_leaked": (0.5, 2),
        "forgotten": (0.5, 2),
    }
    assert right_facts(rows) == {"fare", "berth", "crew"}
    first = [answered(asked("wind", "12", label="added"), "12")]
    assert set(measure_answers(first, {}, (), BOOTSTRAP)) == {"accuracy", "added"}, "nothing else is asked for"


def test_a_fact_is_right_where_all_of_its_questions_are() -> None:
    rows = [answered(asked("wind", "12", name="a"), "12"), answered(asked("wind", "12", name="b"), "13")]
    assert right_facts(rows) == frozenset()


def test_probes_tell_whether_the_change_has_arrived() -> None:
    changed = [answered(asked(f"c{at}", "1", label="changed"), "") for at in range(4)]
    others = [answered(asked("u", "1", label="unchanged"), ""), answered(asked("r", "1", label="removed"), "")]
    added = [answered(asked("a", "1", label="added"), "")]
    probes = choose_probes([*changed, *others, *added], {"c1"}, 20)
    assert {question.fact_id for question in probes} == {"c0", "c2", "c3", "a"}
    assert choose_probes([*reversed(changed), *added], {"c1"}, 2) == choose_probes([*changed, *added], {"c1"}, 2)


def question(fact: str, answer: str) -> Question:
    return Question(id=f"q-{fact}", question="?", answers=(answer,), gold_doc_ids=(), fact_id=fact)


def test_a_look_at_some_facts_is_half_of_such_as_change() -> None:
    steady = [question(f"s{at}", "1") for at in range(50)]
    first = [*steady, *(question(f"c{at}", "1") for at in range(20)), question("gone", "1")]
    second = [*steady, *(question(f"c{at}", "2") for at in range(20)), question("new", "1")]
    chosen = choose_facts([first, second], 10)
    assert len(chosen) == 10
    assert sum(fact.startswith("s") for fact in chosen) == 5
    assert choose_facts([second, first], 10) == chosen
    few = choose_facts([first[:3], first[:3]], 10)
    assert few == {"s0", "s1", "s2"}, "no fact changes, so that all are steady"
    moving = choose_facts([first[50:], second[50:]], 10)
    assert len(moving) == 10, "no fact is steady, so that others fill the place"


def timeline() -> Timeline:
    cost = Cost(Use(wall_s=2.0, cpu_s=3.0, tokens_embedded=40), 0.01, "EUR")
    share = Estimate(0.5, 0.2, 0.8, 10)
    figures = {"accuracy": share, "changed": share, "stale": share, "removed_leaked": share, "forgotten": share}
    nothing = Freshness(None, None, 0, "no change reaches it")

    def row(strategy: str, moment: Moment, seconds: float | None, *, is_stale: bool = False) -> TimelineRow:
        fresh = Freshness(seconds, None if is_stale else seconds, 1, None) if seconds else nothing
        return TimelineRow(Strategy(strategy), moment, is_stale, "abc", figures, fresh, cost if seconds else None)

    refused = TimelineRow(
        Strategy.TUNED,
        Moment.RETRAINED,
        True,
        "abc",
        figures,
        nothing,
        cost,
        ("new_facts 0.000 against a limit of 0.900",),
    )
    rows = (
        row("base", Moment.REFRESHED, None),
        row("rag", Moment.REFRESHED, 4.0),
        row("tuned", Moment.REFRESHED, None, is_stale=True),
        row("hybrid", Moment.REFRESHED, 4.0, is_stale=True),
        refused,
        row("hybrid", Moment.RETRAINED, 300.0),
    )
    steps = (
        TimelineStep("v1", "0001", {"added": 20}, False, rows[:2]),
        TimelineStep(
            "v2",
            "0002",
            {"changed": 10, "removed": 3},
            True,
            rows,
            (AgedRow(Strategy.TUNED, 2, "older", {"accuracy": share}),),
            (0.4, 0.6),
        ),
    )
    return Timeline(steps, 40, 0.95, "a model")


def test_a_timeline_comes_back_from_its_file() -> None:
    made = timeline()
    assert Timeline.from_json(json.loads(json.dumps(made.to_json()))) == made
    earlier = made.to_json()
    for step in earlier["steps"]:
        del step["aged"], step["changed_since"]
    assert [step.aged for step in Timeline.from_json(earlier).steps] == [(), ()], "as earlier versions wrote it"


def test_the_table_has_a_line_a_row_and_says_which_adapter_is_stale() -> None:
    lines = list(timeline().table())
    assert [line["strategy"] for line in lines[2:]] == [
        "base",
        "rag",
        "tuned, stale adapter",
        "hybrid, stale adapter",
        "tuned, stale adapter",
        "hybrid",
        "tuned, 2 versions old",
    ]
    assert len({tuple(line) for line in lines}) == 1, "every line has the same columns"
    assert lines[-2]["time_to_fresh_s"] == 300.0
    assert lines[-3]["failed_probes"].startswith("new_facts")


def test_the_charts_show_when_each_strategy_was_served_and_what_is_left() -> None:
    figure = plot_freshness(timeline())
    (panel,) = figure.axes
    figure.draw_without_rendering()
    first, last = panel.get_xlim()
    seconds = [label.get_text() for label in panel.get_xticklabels() if first <= label.get_position()[0] <= last]
    assert seconds == ["3", "10", "30", "100", "300"]
    assert not any(label.get_text() for label in panel.get_xticklabels(minor=True)), "they would lie over one another"
    assert "10 changed facts" in panel.get_title(loc="left")
    lines = {line.get_label(): list(line.get_xdata()) for line in panel.get_lines() if line.get_label()[0] != "_"}
    assert lines["rag"][0] == 4.0
    assert lines["hybrid"][:2] == [4.0, 300.0], "with its old adapter from the refresh on"
    assert [axes.get_title(loc="left").split("\n")[0] for axes in plot_leftovers(timeline()).axes] == [
        "changed facts",
        "removed facts",
        "unchanged facts",
    ]
