"""The tab Questions: drafts and candidates become test questions by the hand of a person only."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lorag.drafting.records import DraftStatus
from lorag.questions.questions import read_questions, read_training_questions
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.use_cases.serve.decisions import open_candidates
from lorag.use_cases.serve.query_log import QueryLog, read_candidates
from tests.drafting.test_records import DRAFT
from tests.service.page.conftest import HOSTILE, ORIGIN, PART, QUESTION, open_client, sign_in
from tests.service.page.test_page import ask, hidden, last_part
from tests.use_cases.conftest import Place, make_place


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = make_place(tmp_path_factory.mktemp("questions"))
    made.refresh()
    return made


@pytest.fixture
def client(place: Place) -> Iterator[TestClient]:
    drafts = DraftsFile.of(place.workspace, None)
    drafts.path.unlink(missing_ok=True)
    for number in (1, 2, 3):
        question = f"When is lamp {number} lit {HOSTILE}?"
        drafts.append(DRAFT.model_copy(update={"id": f"draft-{number}", "question": question}))
    questions_file(place).write_text("")
    with open_client(place) as opened:
        sign_in(opened)
        yield opened


def questions_file(place: Place) -> Path:
    return place.workspace.resolve(place.params.knowledge.questions)


def decide(client: TestClient, name: str, decision: str, **fields: str) -> Any:
    return client.post("/questions/draft", data={"draft": name, "decision": decision, **fields}, headers=PART)


def marked(client: TestClient, question: str = QUESTION, verdict: str = "wrong") -> str:
    """The id of the newest candidate, made by a verdict."""
    answer = hidden(last_part(ask(client, question).text), "answer")
    client.post("/feedback", data={"verdict": verdict, "answer": answer}, headers=PART)
    shown = client.get("/questions").text
    return shown.split("/questions/candidate?id=")[1].split('"')[0]


def judge(client: TestClient, candidate: str, failure: str, **fields: str) -> Any:
    data = {"candidate": candidate, "failure": failure, "question": QUESTION, **fields}
    return client.post("/questions/candidate", data=data, headers=PART)


def test_a_draft_is_shown_with_its_marked_sentence_and_escaped(client: TestClient) -> None:
    shown = client.get("/questions").text
    assert "1 of 3 that are open" in shown and "<mark>The lamp is lit at 18:30.</mark>" in shown
    assert HOSTILE not in shown


def test_each_decision_is_written_and_the_next_draft_comes(place: Place, client: TestClient) -> None:
    after = decide(client, "draft-1", "accept").text
    assert "Accepted: " in after and 'value="draft-2"' in after and "1 of 2" in after
    skipped = client.get("/questions/draft?after=draft-2", headers=PART).text
    assert 'value="draft-3"' in skipped
    assert 'value="draft-2"' in client.get("/questions/draft?after=draft-3", headers=PART).text, "the first again"
    fields = {"question": "When do they\r\nlight it?", "answers": "18:30\r\n half past six\n", "phrasings": ""}
    unstated = decide(client, "draft-2", "edit", **fields, held_out_phrasings="When, by night?")
    assert "Accepted: When do they light it?" in unstated.text and "does not state" not in unstated.text
    last = decide(client, "draft-3", "drop").text
    assert "All 3 drafts are decided" in last
    drafts = DraftsFile.of(place.workspace, None).read()
    assert [draft.status for draft in drafts] == [DraftStatus.ACCEPTED, DraftStatus.ACCEPTED, DraftStatus.DROPPED]
    assert {draft.reviewed_by for draft in drafts} == {"page"}
    _, edited = read_questions(questions_file(place))
    assert (edited.question, edited.answers) == ("When do they light it?", ("18:30", "half past six"))
    assert (edited.phrasings, edited.held_out_phrasings) == ((), ("When, by night?",))


def test_a_draft_that_cannot_be_accepted_stays_with_its_reason(place: Place, client: TestClient) -> None:
    empty = decide(client, "draft-1", "edit", question=" ", answers="18:30").text
    assert "No question, or no answer, is left" in empty and 'value="draft-1"' in empty
    assert "is there already" in decide_twice(client)
    assert decide(client, "draft-2", "burn").status_code == 400
    assert decide(client, "draft-9", "accept").status_code == 200
    assert len(read_questions(questions_file(place))) == 1


def decide_twice(client: TestClient) -> str:
    decide(client, "draft-1", "edit", question="Which lamp?", answers="18:30")
    text: str = decide(client, "draft-2", "edit", question="Which lamp?", answers="18:30").text
    return text


def test_without_scripts_a_decision_leads_back_to_the_tab(client: TestClient) -> None:
    done = client.post("/questions/draft", data={"draft": "draft-1", "decision": "accept"}, headers=ORIGIN)
    assert (done.status_code, done.headers["location"]) == (303, "/questions")
    assert client.get("/questions/draft").text.startswith("<!doctype html>")


def test_a_candidate_becomes_a_test_question_with_what_failed(place: Place, client: TestClient) -> None:
    name = marked(client)
    form = client.get(f"/questions/candidate?id={name}", headers=PART).text
    assert QUESTION in form and "7.25 metres" in form and "that the search found" in form
    done = judge(client, name, "reader_ignored", answer="7.25 metres", page="berths.md").text
    assert "Added to questions.jsonl as asked-" in done and "does not state" not in done
    line = json.loads(questions_file(place).read_text().splitlines()[-1])
    assert (line["question"], line["answers"], line["gold_doc_ids"]) == (QUESTION, ["7.25 metres"], ["berths.md"])
    assert (line["failure"], line["reviewed_by"], line["candidate"]) == ("reader_ignored", "page", name)
    assert line["reviewed_at"] and len(read_training_questions(questions_file(place)).questions) == 1
    assert f"id={name}" not in client.get("/questions").text
    assert judge(client, name, "drop").status_code == 422, "it is decided"
    file = place.workspace.question_candidates_file
    assert file.stat().st_mode & 0o777 == 0o600
    assert name in {each.id for each in read_candidates(file)} - {each.id for each in open_candidates(file)}
    QueryLog(place.workspace, 1)
    assert name not in {each.id for each in open_candidates(file)}, "a restart keeps the decision"


def test_should_have_declined_needs_neither_answer_nor_page(place: Place, client: TestClient) -> None:
    judge(client, marked(client), "should_have_declined", answer="7.25 metres", page="berths.md")
    (question,) = read_training_questions(questions_file(place)).questions
    assert (question.answers, question.gold_doc_ids) == ((), ())


def test_a_candidate_that_lacks_something_stays_with_its_reason(place: Place, client: TestClient) -> None:
    name = marked(client)
    assert "no answer, is given" in judge(client, name, "search_missed", answer=" ", page="berths.md").text
    unknown = judge(client, name, "search_missed", answer="7.25", page="none.md").text
    assert "No page &#39;none.md&#39; is served" in unknown and 'value="none.md"' in unknown
    assert judge(client, name, "fell_over", answer="7.25", page="berths.md").status_code == 400
    assert read_questions(questions_file(place)) == []
    noted = judge(client, name, "quoted_wrong", answer="8 metres", page="berths.md").text
    assert "does not state &#39;8 metres&#39;" in noted


def test_what_was_right_or_declined_is_a_candidate_too(place: Place, client: TestClient) -> None:
    shown = client.get(f"/questions/candidate?id={marked(client, verdict='right')}", headers=PART).text
    assert "7.25 metres deep" in hidden_text(shown, "answer")
    for verdict in ("stale", "wrong"):
        name = marked(client, verdict=verdict)
    judge(client, name, "drop")
    ask(client, "Who paints the lighthouse on the hill?")
    listed = client.get("/questions").text
    assert "Declined" in listed and "Who paints the lighthouse on the hill?" in listed


def test_what_was_rightly_declined_needs_neither_answer_nor_page(place: Place, client: TestClient) -> None:
    question = "Who paints the mast of the schooner?"
    ask(client, question)
    name = client.get("/questions").text.split("/questions/candidate?id=")[1].split('"')[0]
    assert "right to decline" in client.get(f"/questions/candidate?id={name}", headers=PART).text
    data = {"candidate": name, "failure": "nothing", "question": question}
    assert "Added to" in client.post("/questions/candidate", data=data, headers=PART).text
    (line,) = read_training_questions(questions_file(place)).questions
    assert (line.question, line.answers, line.gold_doc_ids) == (question, (), ())


def hidden_text(text: str, name: str) -> str:
    return text.split(f'<textarea name="{name}"')[1].split("</textarea>")[0]


def test_without_a_log_there_are_no_verdicts_and_the_tab_says_why(place: Place) -> None:
    text = place.workspace.params_file.read_text()
    place.workspace.params_file.write_text(text.replace("keep_questions_days: 30", "keep_questions_days: 0"))
    try:
        with open_client(place) as client:
            sign_in(client)
            assert "Is it right?" not in last_part(ask(client).text)
            assert "service.keep_questions_days" in client.get("/questions").text
    finally:
        place.workspace.params_file.write_text(text)


@pytest.mark.parametrize("path", ["/questions/draft", "/questions/candidate"])
def test_a_decision_of_another_site_or_a_stranger_is_refused(client: TestClient, path: str) -> None:
    foreign = client.post(
        path, data={"draft": "draft-1", "decision": "accept"}, headers={"Origin": "http://evil.example"}
    )
    assert foreign.status_code == 403
    stranger = TestClient(client.app, base_url=str(client.base_url), follow_redirects=False)
    assert stranger.post(path, data={"decision": "accept"}, headers=ORIGIN).headers["location"] == "/sign-in"
