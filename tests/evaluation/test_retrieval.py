"""Retrieval metrics against figures worked out by hand, and questions files that cannot be used."""

import math
from pathlib import Path

import pytest

from lorag.errors import InputRejected
from lorag.evaluation.retrieval import measure_retrieval
from lorag.knowledge.documents import Document
from lorag.questions.questions import GoldenQuestion, Question, golden_questions, read_questions


def golden(number: int, *documents: str) -> GoldenQuestion:
    return GoldenQuestion(str(number), "?", frozenset(documents))


def test_metrics_of_a_known_ranking() -> None:
    metrics = measure_retrieval([golden(1, "a"), golden(2, "b")], {"1": ["x", "a"], "2": ["b"]}, [1, 5])
    assert metrics["mrr_at_10"] == pytest.approx((0.5 + 1) / 2)
    assert metrics["ndcg_at_10"] == pytest.approx((1 / math.log2(3) + 1) / 2)
    assert metrics["recall_at_1"] == 0.5
    assert metrics["recall_at_5"] == 1.0


def test_a_question_without_any_hit_counts_as_zero() -> None:
    assert measure_retrieval([golden(1, "a"), golden(2, "b")], {"1": ["a"]}, [5])["recall_at_5"] == 0.5


def test_no_questions_is_an_error_and_never_a_perfect_score() -> None:
    with pytest.raises(ValueError, match="without questions"):
        measure_retrieval([], {}, [5])


def test_gold_documents_are_found_by_any_of_their_names() -> None:
    documents = [Document("a.md", "", (), sources=("a.md", "copy.md"))]
    questions = [
        Question(id="1", question="?", answers=("x",), gold_doc_ids=("copy.md",)),
        Question(id="2", question="?", answers=("x",), gold_doc_ids=("a.md", "missing.md")),
        Question(id="3", question="?", answers=(), gold_doc_ids=()),
    ]
    assert golden_questions(questions, documents) == [GoldenQuestion("1", "?", frozenset({"a.md"}))]


BAD = {
    "trailing comma": ('{"id": "1",}', "q.jsonl:1:"),
    "half a line": ('{"id": "1", "ques', "q.jsonl:1:"),
    "missing field": ('{"id": "1", "question": "?", "gold_doc_ids": []}', "answers"),
    "a number for an answer": ('{"id": "1", "question": "?", "answers": [1], "gold_doc_ids": []}', "answers.0"),
    "NaN": ('{"id": NaN}', "NaN is not JSON"),
    "nested deep": ("[" * 100_000, "q.jsonl:1"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_lines_are_named(case: str, tmp_path: Path) -> None:
    text, place = BAD[case]
    file = tmp_path / "q.jsonl"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputRejected) as caught:
        read_questions(file)
    assert place in caught.value.line()


def test_a_line_ends_at_a_line_feed_alone(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    line = '{"id": "1", "question": "before\u2028after\u0085", "answers": ["x"], "gold_doc_ids": ["a.md"]}\r\n'
    file.write_text(line, encoding="utf-8", newline="")
    assert read_questions(file)[0].question == "before\u2028after\u0085"


def test_an_id_used_twice_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    line = '{"id": "1", "question": "?", "answers": ["x"], "gold_doc_ids": ["a.md"]}\n'
    file.write_text(line * 2, encoding="utf-8")
    with pytest.raises(InputRejected, match="used twice"):
        read_questions(file)
