"""No key reads what another may: by search, answer, document, change or adapter, in either store."""

import functools
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lorag.cli import run
from lorag.errors import IntegrityFailed, NotAllowed, NotThere, ParamsError
from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Chunk
from lorag.params import IndexParams, SearchParams, StoreKind
from lorag.params_file import load_params
from lorag.releases.record import AdapterEntry, DocumentEntry, Release
from lorag.retrieval.index.store import IndexRow
from lorag.retrieval.search import Searcher
from lorag.service.keys import KeyRing, add_key, remove_key
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.access import Access, readable_documents, refuse_adapter
from lorag.use_cases.serve.read_document import DocumentTexts, view_document
from lorag.use_cases.serve.serve import Served as Opened
from lorag.use_cases.serve.stored_keys import read_keys
from tests.service.conftest import OWNER, QUESTION, Served, with_key
from tests.test_params import ROOT

CASES = 250
TEAMS = ("harbour", "kitchen", "it's", "50%_*", "harbour' OR 1=1")
LEVELS = ("1", "2")
WORDS = ("tide", "berth", "galley", "kipper", "crane")


@functools.cache
def vector_of(seed: str) -> Any:
    values = np.random.default_rng(list(seed.encode())).standard_normal(8).astype(np.float32)
    return (values / np.linalg.norm(values)).astype(np.float32)


@functools.cache
def rows() -> list[IndexRow]:
    """Three pages of two chunks for each team and level; every text has the words of all others."""
    return [
        IndexRow(
            Chunk(
                f"{team} {level} {page} {n}",
                f"{level}/{page}-{team}.md",
                team,
                " ".join(WORDS),
                {"team": team, "level": level},
            ),
            "f",
            vector_of(f"{team}{level}{page}{n}"),
        )
        for team in TEAMS
        for level in LEVELS
        for page in range(3)
        for n in range(2)
    ]


@functools.cache
def search_params() -> SearchParams:
    return load_params(ROOT / "params.yaml").search


@pytest.fixture(scope="module", params=list(StoreKind))
def searcher(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    environment = request.getfixturevalue("weaviate_environment") if request.param is StoreKind.WEAVIATE else {}
    params = IndexParams(
        store=request.param, name="access", ann_from_rows=1_000, retain_generations=5, replication_factor=1, shards=1
    )
    store = open_store(params, tmp_path_factory.mktemp("access"), environment)
    ref = store.write_generation(None, "access", 1, rows(), ())
    yield Searcher(store, ref, lambda texts: np.stack([vector_of(text) for text in texts]))
    store.drop_all_but(())
    store.close()


@settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.just("team"), st.sampled_from(TEAMS), min_size=1),
    st.one_of(st.just({}), st.dictionaries(st.just("level"), st.sampled_from(LEVELS), min_size=1)),
    st.dictionaries(st.sampled_from(["team", "level", "other"]), st.sampled_from([*TEAMS, *LEVELS, ""])),
    st.lists(st.sampled_from([row.chunk.document_id for row in rows()]), max_size=4),
    st.sampled_from(["dense", "bm25", "fused"]),
    st.integers(1, 100),
    st.sampled_from([*WORDS, "tide berth", "team: harbour", "*", "harbour' OR 1=1 --"]),
)
def test_no_key_reads_what_another_may(
    searcher: Searcher,
    team: dict[str, str],
    level: dict[str, str],
    asked: dict[str, str],
    documents: list[str],
    retriever: str,
    k: int,
    query: str,
) -> None:
    allowed = team | level
    access = Access("key", tuple(allowed.items()))
    where = access.narrow(asked, documents)
    params = search_params().model_copy(
        update={"retriever": retriever, "top_k": k, "candidates": max(k, 50), "max_per_document": 3}
    )
    found = searcher.search([query], params, where=where).hits
    listed = searcher.store.chunks(searcher.ref, where)
    for chunk in [*(hit.chunk for hit in found), *listed]:
        assert allowed.items() <= chunk.metadata.items()
        assert asked.items() <= chunk.metadata.items()
        assert not documents or chunk.document_id in documents
    expected = [
        row.chunk.id
        for row in rows()
        if {*allowed.items(), *asked.items()} <= set(row.chunk.metadata.items())
        and (not documents or row.chunk.document_id in documents)
    ]
    assert [chunk.id for chunk in listed] == sorted(expected), "and it reads all that it may"


def release_of(searcher: Searcher, seen: dict[str, str]) -> Release:
    documents = {row.chunk.document_id: DocumentEntry("1", "A page") for row in rows()}
    adapter = AdapterEntry("tuned-1", "a" * 64, "b" * 64, "set", "facts", seen, {})
    return Release(
        1,
        searcher.ref,
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "b" * 64,
        None,
        "",
        len(rows()),
        None,
        documents,
        {AdapterKind.TUNED: adapter},
    )


def test_an_adapter_that_saw_more_is_refused(searcher: Searcher) -> None:
    access = Access("key", (("team", "harbour"), ("level", "1")))
    own, other = "1/0-harbour.md", "1/0-kitchen.md"
    store = searcher.store
    refuse_adapter(AdapterKind.TUNED, access, release_of(searcher, {own: "1"}), store)
    refuse_adapter(AdapterKind.TUNED, Access("all"), release_of(searcher, {own: "1", other: "1"}), store)
    refuse_adapter(None, access, release_of(searcher, {other: "1"}), store)
    for seen in ({own: "1", other: "1"}, {own: "2"}, {own: "1", "gone.md": "1"}, {"2/0-harbour.md": "1"}, {}):
        with pytest.raises(NotAllowed, match="may not read|nobody knows"):
            refuse_adapter(AdapterKind.TUNED, access, release_of(searcher, seen), store)


def test_a_page_of_another_is_as_one_that_is_not_there(searcher: Searcher, tmp_path: Path) -> None:
    release = release_of(searcher, {})
    access = Access("key", (("team", "kitchen"),))
    texts = DocumentTexts(tmp_path / "none.jsonl")
    served = Opened(release, searcher)
    view = view_document("1/0-kitchen.md", served, texts, access.narrow(documents=["1/0-kitchen.md"]))
    assert (view.metadata["team"], view.complete) == ("kitchen", False) and "tide berth" in view.text
    told = []
    for name in ("1/0-harbour.md", "nowhere.md"):
        with pytest.raises(NotThere) as refused:
            view_document(name, served, texts, access.narrow(documents=[name]))
        told.append(str(refused.value))
    assert told[0] == told[1]
    assert readable_documents(access, release, searcher.store) == {
        f"{level}/{page}-kitchen.md" for level in LEVELS for page in range(3)
    }


def test_each_door_shows_a_key_its_own_pages_only(service: Served) -> None:
    for key, own, other in ((service.harbour, "berths.md", "kitchen.md"), (service.kitchen, "kitchen.md", "berths.md")):
        with httpx.Client(base_url=service.address, headers=with_key(key), timeout=60) as client:
            for where in ({}, {"team": "harbour"}, {"team": "kitchen"}):
                body = {"query": "berth galley tide kippers", "top_k": 50, "where": where}
                found = client.post("/v1/search", json=body).json()["hits"]
                assert {hit["document_id"] for hit in found} <= {own}
                for question in (QUESTION, "When does the galley open?"):
                    asked = {"question": question, "where": where}
                    answer = client.post("/v1/answers", json=asked).json()
                    assert {citation["document_id"] for citation in answer["citations"]} <= {own}
                    chat = {"model": "lorag-rag", "messages": [{"role": "user", "content": question}], "where": where}
                    told = client.post("/v1/chat/completions", json=chat).json()["lorag"]
                    assert {citation["document_id"] for citation in told["citations"]} <= {own}
            assert client.get(f"/v1/documents/{own}").status_code == 200
            assert client.get(f"/v1/documents/{other}").status_code == 404
            assert "n_chunks" not in client.get("/v1/releases").json()["releases"][0]
            assert client.get("/metrics").status_code == 403


def test_a_key_is_shown_once_and_valid_until_it_is_removed(tmp_path: Path) -> None:
    file = tmp_path / "state" / "keys.json"
    ring = KeyRing(OWNER, file)
    assert ring.find("anything") is None and ring.find(OWNER) == Access("owner")
    key = add_key(file, "team", {"team": "harbour"})
    assert key not in file.read_text() and file.stat().st_mode & 0o777 == 0o600
    assert ring.find(key) == Access("team", (("team", "harbour"),))
    for name in ("team", "owner", "", "a b", "../x", "x" * 65):
        with pytest.raises(ParamsError):
            add_key(file, name, {})
    second = add_key(file, "second", {})
    assert ring.find(second) == Access("second")
    remove_key(file, "team")
    assert (ring.find(key), [stored.name for stored in read_keys(file)]) == (None, ["second"])
    with pytest.raises(NotThere):
        remove_key(file, "team")
    file.write_text("{")
    for _ in range(2):
        with pytest.raises(IntegrityFailed):
            ring.find(second)
    assert ring.find(OWNER) == Access("owner") and KeyRing(None, file.with_name("none")).find("") is None


def test_the_command_says_how_many_documents_a_new_key_reads(
    service: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--workspace", str(service.place.workspace.root), "keys"]
    for where, count in (([], 2), (["--where", "team=harbour"], 1), (["--where", "team=harbor"], 0)):
        assert run([*command, "add", "new", *where, "--json"]) == 0
        made = json.loads(capsys.readouterr().out)
        assert (made["name"], made["n_documents"]) == ("new", count)
        assert service.client.get("/v1/releases", headers=with_key(made["key"])).status_code == 200
        assert run([*command, "remove", "new", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["removed"]["name"] == "new"
        assert service.client.get("/v1/releases", headers=with_key(made["key"])).status_code == 401
    assert run([*command, "list", "--json"]) == 0
    assert [key["name"] for key in json.loads(capsys.readouterr().out)["keys"]] == ["harbour", "kitchen"]


def test_a_key_that_the_audit_log_cannot_name_is_not_there(
    service: Served, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("lorag.releases.audit.note_action", fail)
    command = ["--workspace", str(service.place.workspace.root), "keys"]
    assert run([*command, "add", "unseen"]) != 0
    capsys.readouterr()
    monkeypatch.undo()
    assert run([*command, "list", "--json"]) == 0
    assert "unseen" not in capsys.readouterr().out


def test_the_report_counts_what_was_asked(service: Served, capsys: pytest.CaptureFixture[str]) -> None:
    for question in (QUESTION, QUESTION.upper(), "Who paints the mast?"):
        service.client.post("/v1/answers", json={"question": question, "where": {"team": "nobody"}})
    assert run(["--workspace", str(service.place.workspace.root), "report", "queries", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["n_queries"] >= 3 and report["doors"]["answers"] >= 3 and report["keys"]["owner"] >= 3
    asked = {each["question"]: each["n"] for each in report["unanswered"]}
    assert asked["Who paints the mast?"] == 1 and asked[QUESTION.upper()] >= 2, "the same question in other letters"
    assert sum(each["n"] for each in report["strategies"]) == report["n_queries"]
    assert run(["--workspace", str(service.place.workspace.root), "report", "queries"]) == 0
    assert "Not answered by the documents" in capsys.readouterr().out


def test_an_adapter_is_refused_over_http_with_its_reason(service: Served) -> None:
    with httpx.Client(base_url=service.address, timeout=120) as client:
        body = {"question": QUESTION, "strategy": "hybrid"}
        refused = client.post("/v1/answers", json=body, headers=with_key(service.kitchen))
        assert (refused.status_code, refused.json()["code"]) == (403, "E060")
        assert "1 of its 1 document that this key may not read" in refused.json()["detail"]
        models = client.get("/v1/models", headers=with_key(service.kitchen)).json()
        assert [model["id"] for model in models["data"]] == ["lorag-base", "lorag-rag"]
        answered = client.post("/v1/answers", json=body, headers=with_key(OWNER)).json()
        assert answered["adapter"].startswith("hybrid-") and answered["adapter_served"]
