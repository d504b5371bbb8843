"""Which adapters are asked the control questions at which step; the answers themselves are made."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lorag.answering.strategies import Answer
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.bootstrap import Bootstrap, Estimate
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.evaluation.timeline_records import Moment
from lorag.params_file import load_params
from lorag.strategies import AdapterKind
from lorag.use_cases.timeline import control_questions
from lorag.use_cases.timeline.control_questions import ask_controls, with_controls
from lorag.use_cases.timeline.steps import REFRESH, retrain_record, row_record
from lorag.use_cases.timeline.timeline_walk import Step, Version, Walk
from lorag.workspace import Workspace

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")
QUESTIONS = [
    SetQuestion("sea", Topic.CONTROL, "sea", "control", "What is the sea made of?", ("water",)),
    SetQuestion("sky", Topic.CONTROL, "sky", "control", "Which colour is the sky?", ("blue",)),
    SetQuestion("fact", Topic.FACT, "fact", "added", "How deep is berth 4?", ("7 m",)),
]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The adapters that were asked, and how many questions; all of them know the sea and not the sky."""
    found: list[tuple[str, int]] = []

    def ask(_: Any, questions: Sequence[SetQuestion], __: Any, folder: str, *___: Any) -> list[AnswerRow]:
        found.append((folder, len(questions)))
        return [AnswerRow(question, Answer("water", (), True, False, (), 1, 1)) for question in questions]

    class Shelf:
        def __init__(self, _: Path) -> None:
            pass

        def open(self, sha256: str) -> str:
            return sha256

    monkeypatch.setattr(control_questions, "ask_with", ask)
    monkeypatch.setattr(control_questions, "load_wanted", lambda _: None)
    monkeypatch.setattr(control_questions, "question_set", lambda *_: QUESTIONS)
    monkeypatch.setattr(control_questions, "AdapterShelf", Shelf)
    return found


def make_walk(root: Path, kind: AdapterKind, facts: frozenset[str] | None = None) -> Walk:
    """Three versions; each trains an adapter that is named after it."""
    names = ("v1", "v2", "v3")
    steps = tuple(Step(Version(name, root, root), root / name, name) for name in names)
    for step in steps:
        step.folder.mkdir()
    return Walk(root, Workspace(root), PARAMS, steps, (kind,), facts, None)


def answer_step(walk: Walk, number: int, kind: AdapterKind) -> Step:
    """Record what a step leaves before its controls are asked."""
    step, before = walk.steps[number], f"adapter{number}" if number else None
    step.write(REFRESH, {})
    step.write(retrain_record(kind), {"published": True, "sha256": f"adapter{number + 1}"})
    step.write(row_record(kind.strategy, Moment.REFRESHED), {"adapter_sha256": before})
    step.write(row_record(kind.strategy, Moment.RETRAINED), {"adapter_sha256": f"adapter{number + 1}"})
    return step


def test_an_adapter_that_does_not_read_is_asked_once_and_one_that_reads_at_each_age(
    asked: list[tuple[str, int]], tmp_path: Path
) -> None:
    by_step = {
        AdapterKind.TUNED: [["adapter1"], ["adapter2"], ["adapter3"]],
        AdapterKind.HYBRID: [["adapter1"], ["adapter1", "adapter2"], ["adapter2", "adapter3", "adapter1"]],
    }
    for kind, wanted in by_step.items():
        (tmp_path / kind).mkdir()
        walk = make_walk(tmp_path / kind, kind)
        for number, names in enumerate(wanted):
            asked.clear()
            step = answer_step(walk, number, kind)
            ask_controls(step, walk, kind)
            assert asked == [(name, 2) for name in names], "the facts are not asked again"
            ask_controls(step, walk, kind)
            assert len(asked) == len(names), "what is recorded is not asked again"
        figures = {"accuracy": Estimate(0.9, 0.8, 1.0, 10)}
        found = with_controls(figures, walk.steps[2], walk, kind.strategy, "adapter1", Bootstrap(100, 0.95, 7))
        assert (found["controls"].value, found["controls"].n, found["accuracy"].value) == (0.5, 2, 0.9)
        assert with_controls({}, walk.steps[2], walk, kind.strategy, "adapter1", Bootstrap(100, 0.95, 7)) == {}


def test_a_step_that_was_walked_before_and_a_walk_over_some_facts_ask_none(
    asked: list[tuple[str, int]], tmp_path: Path
) -> None:
    kind = AdapterKind.HYBRID
    for name, facts in (("over", None), ("some", frozenset({"fact"}))):
        (tmp_path / name).mkdir()
        walk = make_walk(tmp_path / name, kind, facts)
        first = answer_step(walk, 0, kind)
        if name == "over":
            answer_step(walk, 1, kind)
        ask_controls(first, walk, kind)
        figures = {"accuracy": Estimate(0.9, 0.8, 1.0, 10)}
        assert with_controls(figures, first, walk, kind.strategy, "adapter1", Bootstrap(100, 0.95, 7)) == figures
    assert asked == []
