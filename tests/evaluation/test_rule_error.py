"""Strangers 8: the error of the rule for right answers, beside answers that were read and labelled one by one."""

import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lorag.evaluation.answer_rows import write_answers
from lorag.evaluation.rule_error import RULE_ERROR, RuleError
from lorag.strategies import Strategy
from tests.documents import ROOT
from tests.evaluation.test_comparison import BASE, RAG

ROWS = [json.loads(line) for line in Path(__file__).with_name("labelled_answers.jsonl").read_text("utf-8").splitlines()]
RANDOM = [row for row in ROWS if row["drawn"] == "random"]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("labelled_answers")


def test_the_error_that_is_printed_is_that_on_the_labelled_answers(benchmark: Any) -> None:
    """A change of the rule, or of a label, has to change the figure, and so the text of every report."""
    assert benchmark.error_of("holds an accepted answer", RANDOM) == RULE_ERROR


def test_the_table_of_the_figures_is_the_one_that_the_labels_give(benchmark: Any) -> None:
    figures = (ROOT / "docs" / "figures.md").read_text(encoding="utf-8")
    assert "\n".join(benchmark.table(ROWS)) in figures


@pytest.mark.parametrize("page", ["README.md", "docs/glossary.md", "docs/normalising.md"])
def test_pages_say_the_same(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8").replace(f"of {RULE_ERROR.judged} answers that were labelled", "of")
    assert f"{RULE_ERROR.agreed} of {RULE_ERROR.judged} " in text or f"judged {RULE_ERROR.agreed} as" in text


def test_the_labelled_answers_are_many_and_of_all_kinds() -> None:
    assert len(RANDOM) >= 200
    assert {row["drawn"] for row in ROWS} == {"random", "hard", "unanswerable"}
    assert {row["label"] for row in ROWS} == {"right", "partly", "wrong"}
    assert {row["kind"] for row in RANDOM} == {"generated", "quoted", "declined"}
    assert {row["strategy"] for row in RANDOM} == set(Strategy)
    assert min(Counter(row["strategy"] for row in RANDOM).values()) >= 30
    assert all(row["why"] for row in ROWS if row["label"] == "partly"), "what is not plain has its reason"
    assert all(row["accepted"] or row["drawn"] == "unanswerable" for row in ROWS)


def test_no_answer_is_counted_twice() -> None:
    asked = [(row["reader"], row["strategy"], row["question"], row["answer"], *row["accepted"]) for row in ROWS]
    assert len(set(asked)) == len(asked)


def test_errors_are_counted_by_their_direction() -> None:
    found = RuleError.of([True, True, False, False], [True, False, True, True])
    assert found == RuleError(judged=4, false_right=1, false_wrong=2)
    assert (found.agreed, found.accuracy.value) == (1, 0.25)
    assert "is right for 1 (25.0%, 4.6% to 69.9%); wrong, but passed: 1; right, but failed: 2." in found.line()
    assert found.to_json()["accuracy"]["n"] == 4


def test_the_sheet_to_label_says_nothing_of_a_rule(benchmark: Any, tmp_path: Path) -> None:
    answers = tmp_path / "rag" / "answers.jsonl"
    write_answers(answers, [*RAG, *BASE])
    benchmark.draw(answers, 2, 7, tmp_path / "sheet.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "sheet.jsonl").read_text("utf-8").splitlines()]
    assert len(rows) == 2
    assert {(row["strategy"], row["label"]) for row in rows} == {("rag", "")}
    assert all(row["accepted"] for row in rows), "facts alone"
    assert not {"right", "verdict"} & rows[0].keys()
