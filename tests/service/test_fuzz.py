"""Requests of any form: each has a status below 500, and says nothing of the inside."""

import json
from urllib.parse import quote

import httpx
import pytest
from hypothesis import strategies as st

from tests.fuzz import CASES, NASTY, fuzz, json_values, mutated
from tests.service.conftest import OWNER, QUESTION, Served, with_key
from tests.service.test_requests import ANSWERS, CHAT, FEEDBACK, INSIDE, JSON, RESPONSES, SEARCH, TURNS

GOOD = {
    SEARCH: {"query": QUESTION, "top_k": 3, "retriever": "fused", "where": {"team": "harbour"}, "as_of": "1"},
    ANSWERS: {"question": QUESTION, "strategy": "rag", "where": {}, "as_of": None, "stream": False},
    CHAT: {"model": "lorag-rag", "messages": TURNS, "stop": ["x"], "max_tokens": 4, "temperature": 0, "stream": True},
    RESPONSES: {"model": "lorag-base", "input": QUESTION, "instructions": "Be brief.", "max_output_tokens": 16},
    FEEDBACK: {"answer_id": "ans_1", "verdict": "right", "comment": "c"},
    "/mcp": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "search", "arguments": {}}},
}
PATHS = ("/v1/documents/{}", "/v1/models/{}", "/v1/changes?since={}", "/v1/releases?{}", "/{}", "/v1/{}", "/metrics/{}")
HEADERS = ("Host", "Origin", "Authorization", "Content-Type", "Accept", "Content-Encoding", "Cookie", "X-Request-Id")
KNOWN = (
    "rag",
    "berths.md",
    "127.0.0.1",
    "http://127.0.0.1",
    f"Bearer {OWNER}",
    "application/json",
    "gzip",
    "user",
    "1",
)


@CASES
def test_a_request_of_any_form_has_a_status_and_shows_nothing(
    service: Served, cases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorag.service.guard.Rates.count", lambda rates, name: None)
    names = sorted({name for body in GOOD.values() for name in body} | {"role", "content"})
    bodies = st.one_of(
        mutated([json.dumps(body).encode() for body in GOOD.values()]),
        json_values(names, KNOWN).map(lambda value: json.dumps(value).encode()),
        st.builds(
            lambda body, name, value: json.dumps({**body, name: value}).encode(),
            st.sampled_from(list(GOOD.values())),
            st.sampled_from(names),
            json_values(names, KNOWN),
        ),
    )
    posts = st.tuples(st.just("POST"), st.sampled_from(list(GOOD)), bodies)
    pieces = st.one_of(st.sampled_from([*NASTY, *KNOWN]), st.text(max_size=30))
    written = st.builds(
        lambda form, piece, safe: form.format(quote(piece.encode("utf-8", "replace"), safe=safe)),
        st.sampled_from(PATHS),
        pieces,
        st.sampled_from(["", "/?&="]),
    )
    gets = st.tuples(st.sampled_from(["GET", "HEAD", "DELETE", "OPTIONS"]), written, st.just(b""))
    # What a client can send at all: one line of Latin-1.
    value = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
    headers = st.dictionaries(st.sampled_from(HEADERS), st.one_of(st.sampled_from(KNOWN), value), max_size=2)

    def check(request: tuple[tuple[str, str, bytes], dict[str, str]]) -> None:
        (method, path, body), given = request
        sent = {name: text.strip().encode("latin-1") for name, text in {**JSON, **given}.items()}
        response = client.request(method, path, content=body or None, headers=sent)
        assert 200 <= response.status_code < 500, (response.status_code, response.text)
        assert not INSIDE.search(response.content), response.text
        assert response.headers["x-content-type-options"] == "nosniff"

    # A connection each: on a busy machine the server may just have closed one that waited.
    once = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=service.address, headers=with_key(OWNER), timeout=60, limits=once) as client:
        fuzz(cases, st.tuples(st.one_of(posts, posts, gets), st.one_of(st.just({}), headers)), check)
        assert client.get("/readyz").json()["release"] == service.place.shelf.served_id()
