"""What is served and what changed: documents, releases, changes, feedback and the candidates that come of it."""

import json
import time
from pathlib import Path

import httpx
import pytest

from lorag.service.app import make_app
from lorag.use_cases.serve.query_log import QueryLog, Verdict, read_candidates, read_queries
from tests.service.conftest import OWNER, QUESTION, Served, filed, running, with_key
from tests.use_cases.conftest import Place

PAGE = """# Berths

Berth 4 is 7.25 metres deep.

## Fees

The fee is 12 euros.

## Fees

A yacht pays half.
"""


def test_a_document_has_its_text_in_order_with_the_place_of_each_heading(place: Place) -> None:
    (place.source / "fees.md").write_text(filed("harbour", PAGE))
    first = place.refresh()
    app = make_app(place.workspace, {}, OWNER)
    with running(app) as address, httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as client:
        page = client.get("/v1/documents/fees.md").json()
        assert (page["title"], page["metadata"], page["complete"]) == ("Berths", {"team": "harbour"}, True)
        assert [section["anchor"] for section in page["sections"]][-2:] == ["fees", "fees-2"]
        texts = [page["text"][section["start"] : section["end"]] for section in page["sections"]]
        assert texts[-2:] == ["Fees\n\nThe fee is 12 euros.", "Fees\n\nA yacht pays half."]

        (place.source / "fees.md").write_text(filed("harbour", PAGE.replace("12", "15")))
        (place.source / "kitchen.md").unlink()
        second = place.refresh()
        end_s = time.monotonic() + 60
        while (changes := client.get("/v1/changes").json())["until"] != second.id:
            assert time.monotonic() < end_s, "the service does not follow"
        assert changes["since"] == first.id
        assert (changes["changed"], changes["removed"], changes["added"]) == (["fees.md"], ["kitchen.md"], [])
        assert "15 euros" in client.get("/v1/documents/fees.md").json()["text"]
        listed = client.get("/v1/releases").json()
        assert [release["id"] for release in listed["releases"]] == [second.id, first.id]
        assert listed["served"] == second.id and listed["releases"][0]["n_documents"] == 2
        # The last run of the pipeline has other documents than the release: its index still has the text.
        place.workspace.documents_file.write_text("")
        gathered = client.get("/v1/documents/fees.md").json()
        assert not gathered["complete"] and "15 euros" in gathered["text"]


def test_the_card_of_a_release_says_who_may_read_it_and_only_to_a_key_that_reads_everything(service: Served) -> None:
    release = service.place.shelf.served()
    assert release is not None
    found = service.client.get(f"/v1/releases/{release.generation}").json()
    assert (found["id"], found["served"]) == (release.id, True)
    assert found["readers"] == [
        {"name": "owner", "where": {}, "n_documents": 2},
        {"name": "harbour", "where": {"team": "harbour"}, "n_documents": 1},
        {"name": "kitchen", "where": {"team": "kitchen"}, "n_documents": 1},
    ]
    assert service.harbour not in json.dumps(found)
    assert service.client.get("/v1/releases/99").status_code == 404
    refused = service.client.get(f"/v1/releases/{release.id}", headers=with_key(service.harbour))
    assert refused.status_code == 403 and "kitchen" not in refused.text


def test_without_a_release_each_question_says_so(place: Place) -> None:
    app = make_app(place.workspace, {}, OWNER)
    with running(app) as address, httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as client:
        chat = {"model": "lorag-rag", "messages": [{"role": "user", "content": QUESTION}]}
        asked = [
            client.post("/v1/answers", json={"question": QUESTION}),
            client.post("/v1/answers", json={"question": QUESTION, "stream": True}),
            client.post("/v1/search", json={"query": QUESTION}),
            client.post("/v1/chat/completions", json=chat),
            client.get("/v1/documents/berths.md"),
            client.get("/readyz"),
        ]
        assert {(each.status_code, each.json()["type"]) for each in asked} == {(503, "urn:lorag:problem:no-release")}
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/releases").json() == {"served": None, "releases": []}
        reasons = {each["reason"] for each in client.get("/v1/models").json()["unavailable"]}
        assert reasons == {"nothing is served yet – run `lorag refresh`"}
        place.refresh()
        assert client.post("/v1/answers", json={"question": QUESTION}).status_code == 200
    for record in (place.workspace.state / "releases").glob("*.json"):
        record.write_text("{}")
    app = make_app(place.workspace, {}, OWNER)
    with running(app) as address, httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as client:
        damaged = client.post("/v1/answers", json={"question": QUESTION})
        assert (damaged.status_code, damaged.json()["code"]) == (503, "E050")


def test_an_answer_is_logged_and_what_is_said_of_it_becomes_a_candidate(service: Served) -> None:
    workspace = service.place.workspace
    with httpx.Client(base_url=service.address, headers=with_key(service.harbour), timeout=60) as client:
        answer = client.post("/v1/answers", json={"question": QUESTION}).json()
        query = next(query for query in read_queries(workspace.queries_file) if query.id == answer["id"])
        assert (query.key, query.door, query.release) == ("harbour", "answers", answer["release"])
        assert query.cited == ("berths.md",) and query.passages[0].text == ""
        said = {"answer_id": answer["id"], "verdict": "stale", "comment": "dredged last week"}
        noted = client.post("/v1/feedback", json=said).json()
        assert noted["verdict"] == "stale"
        unknown = client.post("/v1/feedback", json=said, headers=with_key(service.kitchen))
        assert unknown.status_code == 404, "an answer of another key is as one that is not there"
        assert service.client.post("/v1/feedback", json=said).status_code == 200
    candidate = next(
        each for each in read_candidates(workspace.question_candidates_file) if each.id == noted["candidate"]
    )
    assert (candidate.verdict, candidate.question, candidate.comment) == (Verdict.STALE, QUESTION, "dredged last week")
    assert candidate.release == answer["release"] and "7.25" in candidate.passages[0].text
    assert workspace.question_candidates_file.stat().st_mode & 0o777 == 0o600


def test_a_declined_question_is_a_candidate_once(service: Served) -> None:
    workspace = service.place.workspace
    body = {"question": "Who paints the lighthouse?", "where": {"team": "nobody"}}
    for _ in range(2):
        assert service.client.post("/v1/answers", json=body).json()["kind"] == "declined"
    found = [c for c in read_candidates(workspace.question_candidates_file) if c.question == body["question"]]
    assert [candidate.verdict for candidate in found] == [Verdict.DECLINED]


def test_questions_are_kept_for_a_term_and_not_at_all_with_0(service: Served, place: Place) -> None:
    logged = service.place.workspace.queries_file
    service.client.post("/v1/answers", json={"question": QUESTION})
    line = json.loads(logged.read_text().splitlines()[-1])
    place.workspace.queries_file.write_text(
        json.dumps({**line, "id": "old", "asked_utc": "2020-01-01T00:00:00+00:00"})
        + "\n"
        + json.dumps(line)
        + '\n{"half'
    )
    log = QueryLog(place.workspace, 30)
    assert [query.id for query in read_queries(place.workspace.queries_file)] == [line["id"]]
    assert log.mark(line["id"], Verdict.RIGHT, "", "owner", of_any_key=True).question == QUESTION
    log.add(read_queries(logged)[-1])
    with place.workspace.queries_file.open("a") as file:
        file.write('{"half')
    log.add(read_queries(logged)[-1])
    assert len(read_queries(place.workspace.queries_file)) == 3
    before = place.workspace.queries_file.read_text()
    QueryLog(place.workspace, 0).add(read_queries(logged)[-1])
    assert place.workspace.queries_file.read_text() == before


@pytest.mark.parametrize("text", ["", "{", "[]", '{"verdict": "right"}', "\x00"])
def test_a_damaged_line_is_left_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "candidates.jsonl"
    file.write_text(text)
    assert read_candidates(file) == [] and read_queries(file) == []
