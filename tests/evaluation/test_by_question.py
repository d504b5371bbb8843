"""What each question got: enough to give the same figures again, and to tell why one was left out."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from lorag.errors import IntegrityFailed
from lorag.evaluation.by_question import Answered, Searched, list_answered, list_searched, parse_questions
from lorag.evaluation.by_question import write_questions as write
from lorag.evaluation.question_set import Topic
from lorag.evaluation.retrieval import retrieval_by_question
from lorag.knowledge.documents import Chunk, Document
from lorag.questions.questions import GoldenQuestion, Question
from tests.evaluation.test_comparison import BASE, RAG

DOCUMENTS = [Document("pier.md", "", (), sources=("pier.md", "copy.md")), Document("mill.md", "", ())]
CHUNKS = [
    Chunk("c1", "pier.md", "Pier", "The pier is 90 metres long."),
    Chunk("c2", "mill.md", "Mill", "The mill grinds rye."),
]
QUESTIONS = [
    Question(id="length", question="How long?", answers=("90 metres",), gold_doc_ids=("copy.md",), fact_id="f1"),
    Question(id="both", question="Which?", answers=("oats",), gold_doc_ids=("pier.md", "mill.md")),
    Question(id="gone", question="Where?", answers=("here",), gold_doc_ids=("pier.md", "tide.md")),
    Question(id="control", question="Capital?", answers=("Paris",), gold_doc_ids=()),
]
RANKINGS = {"dense": {"length": ["mill.md", "pier.md"], "both": ["x.md", "mill.md", "y.md"]}, "reranked": None}


def test_each_question_that_names_documents_has_a_line() -> None:
    length, both, gone = list_searched(QUESTIONS, DOCUMENTS, CHUNKS, RANKINGS)
    assert (length.fact_id, length.gold, length.stated) == ("f1", ("pier.md",), True)
    assert (length.ranks, length.missing) == ({"dense": (2,)}, ())
    assert (both.gold, both.ranks, both.stated) == (("mill.md", "pier.md"), {"dense": (2, None)}, False)
    assert (gone.missing, gone.ranks, gone.stated) == (("tide.md",), {}, False)


def test_the_ranks_give_the_figures_of_the_whole_ranking() -> None:
    rows = list_searched(QUESTIONS, DOCUMENTS, CHUNKS, RANKINGS)[:2]
    golden = [GoldenQuestion(row.id, "?", frozenset(row.gold)) for row in rows]
    kept = retrieval_by_question(golden, {row.id: row.ranking("dense") for row in rows}, [1, 5])
    assert kept == retrieval_by_question(golden, RANKINGS["dense"] or {}, [1, 5])
    assert kept["recall_at_5"] == {"length": 1.0, "both": 0.5}


def test_an_answer_is_as_wanted_by_the_topic_of_its_question() -> None:
    rows = list_answered({"base": BASE, "rag": RAG})
    assert {row.id: dict(row.as_wanted) for row in rows} == {
        "q1": {"base": False, "rag": True},
        "q2": {"base": True, "rag": True},
        "q3": {"base": True, "rag": False},
        "q4": {"base": False, "rag": True},
        "s1": {"base": True, "rag": False},
    }
    assert [row.topic for row in rows] == [row.question.topic for row in BASE]


def test_words_and_answers_name_a_question_and_its_documents_do_not() -> None:
    def asked(**changes: object) -> str:
        return list_searched([QUESTIONS[0].model_copy(update=changes)], DOCUMENTS, CHUNKS, {})[0].asked

    assert asked() == asked(gold_doc_ids=("mill.md",)) == asked(id="other", phrasings=("Long?",))
    assert len({asked(), asked(question="How wide?"), asked(answers=("91 metres",))}) == 3


def test_what_is_written_is_read_again_and_a_damaged_line_is_named(tmp_path: Path) -> None:
    searched = list_searched(QUESTIONS, DOCUMENTS, CHUNKS, RANKINGS)
    write(tmp_path / "s.jsonl", searched)
    text = (tmp_path / "s.jsonl").read_text(encoding="utf-8")
    assert parse_questions(text, Searched.from_json, where="s") == searched
    answered = list_answered({"base": BASE})
    write(tmp_path / "a.jsonl", answered)
    assert parse_questions((tmp_path / "a.jsonl").read_text(), Answered.from_json, where="a") == answered
    short = json.dumps(asdict(searched[1]) | {"ranks": {"dense": [1]}})
    for line in ('{"id": "x"}', "[1]", "<<<<<<< main", json.dumps({"topic": "no"}), short):
        with pytest.raises(IntegrityFailed, match="here:4"):
            parse_questions(f"{text}{line}\n", Searched.from_json, where="here")
    assert answered[0].topic is Topic.FACT
