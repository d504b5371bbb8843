"""The service answers as the command does, from one release at a time, and follows the pointer without a restart."""

import json
import os
import stat
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lorag.errors import ParamsError, StoreFailed, WorkspaceError
from lorag.service.app import make_app
from lorag.service.client import RunningService, find_service
from lorag.service.keys import write_private
from lorag.service.run import serve
from lorag.strategies import Strategy
from lorag.use_cases.serve.answer import answer_served
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.manage_releases import roll_back
from lorag.use_cases.serve.serve import Served as OpenRelease
from lorag.use_cases.serve.serve import open_served
from tests.servers import free_port
from tests.service.conftest import OWNER, QUESTION, Served, with_key
from tests.use_cases.conftest import Place


@pytest.fixture
def served(place: Place) -> Place:
    place.refresh()
    return place


@pytest.fixture
def client(served: Place) -> Iterator[TestClient]:
    with TestClient(
        make_app(served.workspace, {}, OWNER), base_url="http://127.0.0.1", headers=with_key(OWNER)
    ) as opened:
        yield opened


def ask(client: Any, **values: Any) -> Any:
    return client.post("/v1/answers", json={"question": QUESTION, **values})


def without_cost(answer: dict[str, Any]) -> dict[str, Any]:
    """What both give: the service adds an id, seconds and more of each citation."""
    cited = [{n: c[n] for n in ("document_id", "chunk_id", "quote", "start", "end")} for c in answer["citations"]]
    left_out = {"cost", "id", "seconds", "asked_as", "citations"}
    return {key: value for key, value in answer.items() if key not in left_out} | {"citations": cited}


def test_it_answers_as_the_command_does(service: Served) -> None:
    place = service.place
    for strategy in (Strategy.BASE, Strategy.RAG):
        expected = answer_served(QUESTION, strategy, place.workspace, place.params, {}).to_json()
        assert without_cost(ask(service.client, strategy=strategy).json()) == without_cost(expected)
    assert ask(service.client).json()["cost"]["tokens_prompt"] > 0


def test_a_stream_gives_the_text_and_then_the_answer(service: Served) -> None:
    lines = [json.loads(line) for line in ask(service.client, strategy="base", stream=True).text.splitlines()]
    assert "".join(line["text"] for line in lines[:-1]).strip() == lines[-1]["result"]["answer"]


def test_a_filter_and_an_older_release_are_obeyed(served: Place, client: TestClient) -> None:
    assert ask(client, where={"team": "nobody"}).json()["abstained"]
    first = served.shelf.served_id()
    (served.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
    second = served.refresh().id
    # The release before answers until the new one is open.
    wait_for(client, second)
    assert ask(client, as_of="1").json()["release"] == first


def test_errors_say_what_to_do(service: Served) -> None:
    missing = ask(service.client, strategy="tuned")
    assert (missing.status_code, missing.json()["do"]) == (409, "run `lorag retrain --adapter tuned`")


def wait_for(client: TestClient, release: str, at_most_s: float = 60) -> None:
    """Ask until the release answers."""
    end_s = time.monotonic() + at_most_s
    while ask(client).json()["release"] != release:
        assert time.monotonic() < end_s, f"{release} is not picked up"


def test_a_new_release_and_a_rollback_are_picked_up_and_no_question_fails(served: Place, client: TestClient) -> None:
    first = ask(client).json()["release"]
    answers: list[Any] = []
    ended = threading.Event()

    def keep_asking() -> None:
        while not ended.is_set():
            answers.append(ask(client, strategy="rag"))

    with ThreadPoolExecutor(2) as pool:
        asking = [pool.submit(keep_asking) for _ in range(2)]
        try:
            (served.source / "berths.md").write_text("# Berths\n\nBerth 4 is 9.10 metres deep at the lowest tide.\n")
            second = served.refresh().id
            # Meanwhile the release before answers, for as long as a busy machine needs to open the new one.
            wait_for(client, second)
            assert "9.10" in ask(client).json()["citations"][0]["quote"]
            roll_back(served.workspace, served.params, {}, None)
            wait_for(client, first)
        finally:
            ended.set()
        for each in asking:
            each.result()
    assert ask(client).json()["release"] == first
    assert {answer.status_code for answer in answers} == {200}
    depth = {first: "7.25", second: "9.10"}
    for answer in (answer.json() for answer in answers):
        assert all(depth[answer["release"]] in citation["quote"] for citation in answer["citations"])


def test_a_release_is_closed_after_its_last_question(served: Place) -> None:
    live = LiveRelease(served.workspace, {})
    with live.use(None) as held:
        (served.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
        served.refresh()
        with live.use(None) as newer:
            assert newer.served.release.id != held.served.release.id
            assert newer.model is held.model, "the same model is not loaded twice"
        assert held.served.searcher.search([QUESTION], held.params.search).hits
    live.close()


def test_questions_are_answered_from_the_release_before_while_the_next_one_opens(
    served: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveRelease(served.workspace, {})
    with live.use(None) as held:
        before = held.served.release.id
    (served.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
    after = served.refresh().id
    began, may_end = threading.Event(), threading.Event()

    @contextmanager
    def open_slowly(*given: Any, **options: Any) -> Iterator[OpenRelease]:
        began.set()
        assert may_end.wait(60)
        with open_served(*given, **options) as opened:
            yield opened

    monkeypatch.setattr("lorag.use_cases.serve.live.open_served", open_slowly)
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(live.release_id)
        assert began.wait(60)
        with live.use(None) as meanwhile:
            assert meanwhile.served.release.id == before
        may_end.set()
        assert opening.result() == after
    assert live.release_id() == after
    live.close()


def test_a_command_finds_the_service_and_gets_its_errors(service: Served) -> None:
    workspace, port = service.place.workspace, int(service.address.rpartition(":")[2])
    write_private(workspace.service_file, {"host": "127.0.0.1", "port": port, "key": OWNER})
    assert stat.S_IMODE(os.stat(workspace.service_file).st_mode) == 0o600
    found = find_service(workspace.service_file)
    assert found is not None
    with pytest.raises(StoreFailed, match="served already"):
        serve(workspace, {}, "127.0.0.1", None)
    pieces: list[str] = []
    answer = found.answer({"question": QUESTION, "strategy": "base"}, pieces.append)
    assert answer is not None and "".join(pieces).strip() == answer["answer"]
    with pytest.raises(WorkspaceError, match="the release has no tuned adapter"):
        found.answer({"question": QUESTION, "strategy": "tuned"}, pieces.append)
    with pytest.raises(ParamsError, match="question has more than 8000 characters – question – send a shorter text"):
        found.answer({"question": "a" * 9_000}, pieces.append)
    assert found.call("GET", "/v1/releases") == service.client.get("/v1/releases").json()
    assert replace(found, key="other").call("GET", "/v1/releases") is None
    assert replace(found, key="other").answer({"question": QUESTION}, pieces.append) is None
    assert replace(found, port=free_port()).answer({"question": QUESTION}, pieces.append) is None
    workspace.service_file.unlink()


def test_no_record_or_a_damaged_one_is_no_service(place: Place) -> None:
    assert find_service(place.workspace.service_file) is None
    place.workspace.service_file.parent.mkdir(parents=True, exist_ok=True)
    place.workspace.service_file.write_text('{"host": 1')
    assert find_service(place.workspace.service_file) is None
    assert RunningService("127.0.0.1", free_port(), "key").answer({"question": "x"}, print) is None


def test_a_service_says_when_it_is_ready_and_when_it_ends(served: Place) -> None:
    said: list[str] = []
    app = make_app(served.workspace, {}, OWNER, lambda: said.append("ready"), lambda: said.append("ended"))
    with TestClient(app, base_url="http://127.0.0.1") as opened:
        assert opened.get("/readyz").json()["release"] == served.shelf.served_id()
        assert said == ["ready"]
    assert said == ["ready", "ended"]
