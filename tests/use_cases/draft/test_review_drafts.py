import json
from pathlib import Path

import pytest

from lorag.drafting.records import Draft, DraftStatus
from lorag.errors import InputRejected, ParamsError
from lorag.integrations import git_repo
from lorag.questions.questions import read_questions
from lorag.use_cases.change_params import change_params
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.use_cases.draft.review_drafts import Edit, Review, is_stated, open_review, review_drafts, review_to_json
from tests.drafting.test_records import DRAFT
from tests.use_cases.conftest import Place


@pytest.fixture
def review(place: Place) -> Review:
    drafts = DraftsFile.of(place.workspace, None)
    for number in (1, 2, 3):
        drafts.append(
            DRAFT.model_copy(update={"id": f"draft-{number}", "question": f"When is lamp {number} of the pier lit?"})
        )
    return open_review(place.workspace, place.params, reviewer="Ada")


def _statuses(review: Review) -> list[str]:
    return [draft.status.value for draft in review.read()]


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_accept_edit_and_drop_go_into_both_files(review: Review) -> None:
    review.accept("draft-1")
    review.accept("draft-2", Edit("When is the second lamp lit?", ("18:30", "half past six"), (), ("Lamp 2, when?",)))
    dropped = review.drop("draft-3")
    assert _statuses(review) == ["accepted", "accepted", "dropped"]
    assert dropped.reviewed_by == "Ada" and dropped.reviewed_at
    one, two = read_questions(review.questions)
    assert one.phrasings == DRAFT.phrasings
    assert (two.question, two.answers) == ("When is the second lamp lit?", ("18:30", "half past six"))
    assert (two.phrasings, two.held_out_phrasings) == ((), ("Lamp 2, when?",))
    assert {line["reviewed_by"] for line in _lines(review.questions)} == {"Ada"}
    assert review.read()[1].question == "When is the second lamp lit?"


def test_a_second_time_changes_nothing(review: Review) -> None:
    first = review.accept("draft-1")
    assert review.accept("draft-1") == first
    assert len(read_questions(review.questions)) == 1
    with pytest.raises(InputRejected, match="accepted before"):
        review.drop("draft-1")
    review.drop("draft-2")
    assert review.accept("draft-2").status is DraftStatus.ACCEPTED, "a dropped draft can still be accepted"


def test_a_kill_between_both_files_leaves_one_question(review: Review) -> None:
    review.accept("draft-1")
    with review.drafts.changing() as drafts:
        drafts[0] = drafts[0].model_copy(update={"status": DraftStatus.OPEN})
    review.accept("draft-1")
    assert [question.id for question in read_questions(review.questions)] == ["draft-1"]


def test_a_questions_file_without_a_last_line_end_stays_readable(review: Review) -> None:
    review.questions.write_text('{"id": "own", "question": "Who?", "answers": [], "gold_doc_ids": []}')
    review.accept("draft-1")
    assert [question.id for question in read_questions(review.questions)] == ["own", "draft-1"]


def test_an_origin_elsewhere_gets_the_question(place: Place, review: Review, tmp_path: Path) -> None:
    origin = tmp_path / "own.jsonl"
    origin.touch()
    change_params(place.workspace.params_file, {"knowledge": {"questions_origin": str(origin)}})
    elsewhere = open_review(place.workspace, place.params, reviewer="Ada")
    elsewhere.accept("draft-1")
    assert elsewhere.is_copied and [question.id for question in read_questions(origin)] == ["draft-1"]


def test_what_makes_no_sense_is_refused_and_changes_nothing(review: Review) -> None:
    with pytest.raises(InputRejected, match="no draft 'draft-9'"):
        review.accept("draft-9")
    with pytest.raises(InputRejected, match="no question, or no answer"):
        review.accept("draft-1", Edit(" "))
    with pytest.raises(ParamsError, match="accepted and dropped"):
        review_drafts(review, ["draft-1"], ["draft-1"])
    with pytest.raises(ParamsError, match="an edit needs one draft"):
        review_drafts(review, ["draft-1", "draft-2"], (), Edit("When?"))
    review.accept("draft-1")
    with pytest.raises(InputRejected, match="is there already"):
        review.accept("draft-2", Edit(review.read()[0].question))
    assert _statuses(review) == ["accepted", "open", "open"]


def test_a_draft_that_is_added_during_a_review_stays(review: Review) -> None:
    late: Draft = DRAFT.model_copy(update={"id": "draft-4"})
    review.accept("draft-1")
    review.drafts.append(late)
    review.drop("draft-2")
    assert review.read()[-1] == late and _statuses(review) == ["accepted", "dropped", "open", "open"]


def test_the_reviewer_is_who_git_names(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    git_repo._git(place.workspace.root, "config", "user.name", "Bela Ruiz")
    assert open_review(place.workspace, place.params).reviewer == "Bela Ruiz"
    assert open_review(place.workspace, place.params, reviewer="Ada").reviewer == "Ada"


def test_an_answer_that_the_passage_does_not_state_is_noticed() -> None:
    assert is_stated(DRAFT)
    assert not is_stated(DRAFT.model_copy(update={"answers": ("19:00",)}))


def test_strangers_11_a_second_acceptance_and_an_unstated_answer_are_told(review: Review) -> None:
    review.accept("draft-1")
    before = review.read()
    decided = review_drafts(review, ["draft-1"], ["draft-3"])
    told = review_to_json(review, before, decided)
    assert (told["decided"], told["unchanged"], told["unstated"]) == (["draft-1", "draft-3"], ["draft-1"], [])
    edited = review_drafts(review, ["draft-2"], (), Edit(answers=("19:00",)))
    told = review_to_json(review, before, edited)
    assert (told["unchanged"], told["unstated"]) == ([], ["draft-2"])
