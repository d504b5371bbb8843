import json
from pathlib import Path

import pytest

from lorag.drafting.records import Draft, DraftStatus, Origin, draft_line, read_drafts
from lorag.errors import InputRejected
from lorag.questions.questions import read_training_questions

DRAFT = Draft(
    id="draft-1",
    question="When is the lamp lit?",
    answers=("18:30",),
    gold_doc_ids=("piers.md",),
    phrasings=("At what time is the lamp lit?",),
    origin=Origin.FORM,
    value_kind="date",
    sentence="The lamp is lit at 18:30.",
    passage="The lamp is lit at 18:30.",
    headings="Piers",
    chunk_id="c",
    changed=False,
    rank=1,
    answered_by="quoted",
    model="m",
    release="r",
)


def test_a_draft_is_read_as_it_was_written_and_the_last_line_of_an_id_counts(tmp_path: Path) -> None:
    path = tmp_path / "drafts.jsonl"
    later = DRAFT.model_copy(update={"status": DraftStatus.DROPPED})
    path.write_text(draft_line(DRAFT) + draft_line(later))
    assert read_drafts(path) == [later]


def test_an_accepted_draft_is_a_question_that_training_takes(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_text(json.dumps(DRAFT.accepted_line()) + "\n")
    (question,) = read_training_questions(path).questions
    assert (question.question, question.answers, question.phrasings) == (
        DRAFT.question,
        DRAFT.answers,
        DRAFT.phrasings,
    )


@pytest.mark.parametrize("line", ["{", '{"id": "q", "question": "When?"}', "[]"])
def test_a_line_that_is_no_draft_is_refused_with_its_place(line: str, tmp_path: Path) -> None:
    path = tmp_path / "drafts.jsonl"
    path.write_text(draft_line(DRAFT) + line + "\n")
    with pytest.raises(InputRejected, match=r"drafts\.jsonl:2"):
        read_drafts(path)
