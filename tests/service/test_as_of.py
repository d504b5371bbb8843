"""An older release shows a key only what it may read today too, by every door that takes `as_of`."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from lorag.retrieval.index.store import Filter
from lorag.service.app import make_app
from lorag.service.keys import add_key
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.access import within
from tests.service.conftest import OWNER, filed, running, with_key
from tests.use_cases.conftest import PAGES, Place, make_place

CLOSED, GONE, OPEN = "berths.md", "kitchen.md", "cranes.md"
CRANE = "# Cranes\n\nThe crane of the Quellwick basin lifts 40 tonnes at low tide.\n"
QUERY = "berth crane galley basin tide kippers"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """In release 1 (and 2, which has an adapter) all pages are the harbour's; then one is closed and one removed."""
    made = make_place(tmp_path_factory.mktemp("as-of"))
    for name, text in {**PAGES, OPEN: CRANE}.items():
        (made.source / name).write_text(filed("harbour", text))
    made.refresh()
    made.publish_adapter(1, AdapterKind.HYBRID)
    (made.source / CLOSED).write_text(filed("captains", PAGES[CLOSED]))
    (made.source / GONE).unlink()
    made.refresh()
    return made


@pytest.fixture(scope="module")
def address(place: Place) -> Iterator[str]:
    with running(make_app(place.workspace, {}, OWNER)) as found:
        yield found


@pytest.fixture(scope="module")
def harbour(place: Place, address: str) -> Iterator[httpx.Client]:
    key = add_key(place.workspace.resolve(place.params.service.keys_file), "harbour", {"team": "harbour"})
    with httpx.Client(base_url=address, headers=with_key(key), timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def nobody(place: Place, address: str) -> Iterator[httpx.Client]:
    """A key that could read a page then and can read none today."""
    key = add_key(place.workspace.resolve(place.params.service.keys_file), "nobody", {"team": "kitchen"})
    with httpx.Client(base_url=address, headers=with_key(key), timeout=60) as client:
        yield client


def found(client: httpx.Client, **values: Any) -> set[str]:
    response = client.post("/v1/search", json={"query": QUERY, "top_k": 50, "as_of": "1", **values})
    assert response.status_code == 200, response.text
    return {hit["document_id"] for hit in response.json()["hits"]}


def test_a_search_of_an_older_release_leaves_out_what_is_closed_or_gone_today(
    address: str, harbour: httpx.Client, nobody: httpx.Client
) -> None:
    assert found(harbour) == {OPEN}
    assert found(harbour, documents=[CLOSED, GONE]) == set() and found(harbour, documents=[CLOSED, OPEN]) == {OPEN}
    assert found(nobody) == set()
    with httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as owner:
        assert found(owner) == {CLOSED, GONE, OPEN}, "who may read everything reads it then, too"


@pytest.mark.parametrize(
    "question", ["How deep is berth 4 at the lowest tide of the year?", "When does the galley open?"]
)
def test_an_answer_of_an_older_release_cites_nothing_that_is_closed_or_gone(
    harbour: httpx.Client, question: str
) -> None:
    given = harbour.post("/v1/answers", json={"question": question, "as_of": "1"}).json()
    assert {cited["document_id"] for cited in given["citations"]} <= {OPEN}
    assert "7.25" not in given["answer"] and "06:50" not in given["answer"]


PAST = "How deep was berth 4 of the Quellwick basin at the lowest tide of the year before release 3?"


def test_a_question_about_the_past_shows_no_more_than_as_of_does(
    address: str, harbour: httpx.Client, nobody: httpx.Client
) -> None:
    with httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as owner:
        given = owner.post("/v1/answers", json={"question": PAST}).json()
        said = owner.post("/v1/chat/completions", json={"model": "lorag-rag", "messages": [message(PAST)]}).json()
    assert given["past"]["generation"] == 2 and not given["release_served"] and "7.25" in given["answer"]
    assert [cited["document_id"] for cited in given["citations"]] == [CLOSED]
    assert given["citations"][0]["title"] == "Berths"
    assert said["choices"][0]["message"]["content"].endswith(f"\n\n{given['past']['says']}")
    assert said["lorag"]["past"] == given["past"]
    for client in (harbour, nobody):
        given = client.post("/v1/answers", json={"question": PAST}).json()
        assert given["past"]["generation"] == 2
        assert "7.25" not in given["answer"] and {cited["document_id"] for cited in given["citations"]} <= {OPEN}


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_an_adapter_of_an_older_release_is_refused_if_it_saw_what_is_closed_today(harbour: httpx.Client) -> None:
    body = {"question": "How deep is berth 4?", "strategy": "hybrid", "as_of": "2"}
    assert harbour.post("/v1/answers", json=body).status_code == 403


def test_no_document_is_never_all_documents() -> None:
    where = Filter(("a.md",), (("team", "harbour"),))
    assert within(where, None) == where
    assert within(where, frozenset({"a.md", "b.md"})) == where
    assert within(Filter(), frozenset({"b.md", "a.md"})).document_ids == ("a.md", "b.md")
    for hidden in (within(where, frozenset({"b.md"})), within(where, frozenset()), within(Filter(), frozenset())):
        assert hidden.document_ids == ("",)


def test_changes_name_what_was_removed_and_not_what_was_closed(harbour: httpx.Client, address: str) -> None:
    told = harbour.get("/v1/changes", params={"since": "1"}).json()
    assert (told["removed"], told["changed"], told["added"]) == ([GONE], [], []) and CLOSED not in str(told)
    with httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as owner:
        assert owner.get("/v1/changes", params={"since": "1"}).json()["changed"] == [CLOSED]
