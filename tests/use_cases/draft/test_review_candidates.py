import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from lorag.cli import run
from lorag.errors import InputRejected, ParamsError
from lorag.questions.questions import read_questions
from lorag.strategies import Strategy
from lorag.use_cases.draft.review_candidates import CandidateReview, decide, open_served_review
from lorag.use_cases.serve.query_log import Passage, QuestionCandidate, Verdict, append_line
from tests.use_cases.conftest import PAGES, Place

PAGE = next(iter(PAGES))


def candidate(name: str, verdict: Verdict = Verdict.WRONG, kind: str = "quoted") -> QuestionCandidate:
    passages = (Passage(PAGE, "c1", "The pier is lit at 18:30."),)
    said = (name, f"ans_{name}", "2026-01-02T03:04:05+00:00", verdict, f"When is {name} lit?", Strategy.RAG)
    return QuestionCandidate(*said, "At noon.", kind, None, "000001-aa", passages, "owner")


@pytest.fixture
def review(place: Place) -> CandidateReview:
    place.refresh()
    for each in (candidate("cand_1"), candidate("cand_2"), candidate("cand_3", Verdict.DECLINED, "declined")):
        append_line(place.workspace.question_candidates_file, asdict(each))
    return open_served_review(place.workspace, place.params, "Ada")


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_candidate_becomes_a_question_with_what_failed_and_who_said_so(review: CandidateReview) -> None:
    before = len(read_questions(review.questions)) if review.questions.exists() else 0
    assert decide(review, "cand_1", "search_missed", "18:30") == ["cand_1"]
    added = lines(review.questions)[-1]
    assert (added["answers"], added["gold_doc_ids"], added["failure"]) == (["18:30"], [PAGE], "search_missed")
    assert (added["reviewed_by"], added["candidate"]) == ("Ada", "cand_1")
    assert len(read_questions(review.questions)) == before + 1
    assert [each.id for each in review.read()] == ["cand_3", "cand_2"]


def test_a_question_that_was_rightly_declined_gets_no_answer(review: CandidateReview) -> None:
    decide(review, "cand_3", "nothing")
    assert (lines(review.questions)[-1]["answers"], lines(review.questions)[-1]["gold_doc_ids"]) == ([], [])


def test_what_is_missing_is_told_and_decides_nothing(review: CandidateReview) -> None:
    with pytest.raises(InputRejected, match="no answer"):
        decide(review, "cand_1", "quoted_wrong")
    with pytest.raises(InputRejected, match="no page"):
        decide(review, "cand_1", "quoted_wrong", "18:30", "not/there.md")
    with pytest.raises(ParamsError, match="choose one of search_missed"):
        decide(review, "cand_1", "bad_luck", "18:30")
    with pytest.raises(ParamsError, match="need each other"):
        decide(review, accept="cand_1")
    with pytest.raises(InputRejected, match="no open candidate"):
        decide(review, drop=["cand_9"])
    assert len(review.read()) == 3


def test_the_command_decides_and_lists_what_is_open(
    place: Place, review: CandidateReview, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--workspace", str(place.workspace.root), "questions", "candidates", "--by", "Ada"]
    assert (
        run(
            [
                *command,
                "--drop",
                "cand_2",
                "--accept",
                "cand_1",
                "--failure",
                "reader_ignored",
                "--answer",
                "18:30",
                "--json",
            ]
        )
        == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert found["decided"] == ["cand_1", "cand_2"]
    assert [each["id"] for each in found["candidates"]] == ["cand_3"]
    assert run(command) == 0
    assert "cand_3  declined  When is cand_3 lit?" in capsys.readouterr().out
