"""Bad requests: each has its status, none is a defect, and all are problems (rows 63-69 of the bad-input catalogue)."""

import json
import re
from typing import Any

import httpx
import pytest

from tests.service.conftest import OWNER, QUESTION, Served, with_key

ANSWERS, SEARCH, CHAT, RESPONSES, FEEDBACK = (
    "/v1/answers",
    "/v1/search",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/feedback",
)
JSON = {"Content-Type": "application/json"}
TURNS = [{"role": "user", "content": QUESTION}]


def text(value: Any) -> bytes:
    return json.dumps(value).encode()


def ask(**values: Any) -> bytes:
    return text({"question": QUESTION, **values})


def chat(**values: Any) -> bytes:
    return text({"model": "lorag-rag", "messages": TURNS, **values})


def respond(**values: Any) -> bytes:
    return text({"model": "lorag-rag", "input": QUESTION, **values})


LONG = "word " * 2_000
BODIES: dict[str, tuple[str, bytes, int, str]] = {
    "no JSON": (ANSWERS, b"question", 400, "byte 0"),
    "half": (ANSWERS, b'{"question": "a"', 400, ""),
    "nothing": (ANSWERS, b"", 400, ""),
    "bad UTF-8": (ANSWERS, b'{"question": "\xff"}', 400, ""),
    "UTF-16": (ANSWERS, '{"question": "a"}'.encode("utf-16"), 400, ""),
    "half a character": (ANSWERS, b'{"question": "\\ud800"}', 422, ""),
    "half a character in a key": (ANSWERS, b'{"question": "a", "where": {"\\udfff": "a"}}', 422, ""),
    "NaN": (ANSWERS, b'{"question": NaN}', 422, ""),
    "infinity": (SEARCH, b'{"query": "a", "top_k": Infinity}', 422, ""),
    "too large a float": (SEARCH, b'{"query": "a", "top_k": 1e999}', 422, ""),
    "a number of 5,000 digits": (SEARCH, b'{"query": "a", "top_k": ' + b"9" * 5_000 + b"}", 422, ""),
    "a key twice": (ANSWERS, b'{"question": "a", "question": "b"}', 422, "question"),
    "a key twice inside": (ANSWERS, b'{"question": "a", "where": {"t": "x", "t": "y"}}', 422, "t"),
    "nested": (ANSWERS, b'{"question": ' + b"[" * 60 + b"]" * 60 + b"}", 422, ""),
    "nested 20,000 deep": (ANSWERS, b"[" * 20_000, 422, ""),
    "a list": (ANSWERS, b"[]", 422, ""),
    "a text": (ANSWERS, b'"question"', 422, ""),
    "null": (ANSWERS, b"null", 422, ""),
    "no question": (ANSWERS, b"{}", 422, "question"),
    "an empty question": (ANSWERS, ask(question=""), 422, "question"),
    "a blank question": (ANSWERS, ask(question=" \n"), 422, "question"),
    "a number for a question": (ANSWERS, ask(question=4), 422, "question"),
    "a list for a question": (ANSWERS, ask(question=["a"]), 422, "question"),
    "a long question": (ANSWERS, ask(question=LONG), 422, "question"),
    "an unknown field": (ANSWERS, ask(questoin="a"), 422, "questoin"),
    "an unknown strategy": (ANSWERS, ask(strategy="best"), 422, "strategy"),
    "a number for a strategy": (ANSWERS, ask(strategy=1), 422, "strategy"),
    "a list for where": (ANSWERS, ask(where=["team"]), 422, "where"),
    "a number in where": (ANSWERS, ask(where={"team": 1}), 422, "where.team"),
    "an empty name in where": (ANSWERS, ask(where={"": "a"}), 422, "where"),
    "many names in where": (ANSWERS, ask(where={str(n): "" for n in range(30)}), 422, "where"),
    "an unknown release": (ANSWERS, ask(as_of="nowhere"), 404, ""),
    "a path for a release": (ANSWERS, ask(as_of="../../etc/passwd"), 404, ""),
    "a share for a release": (ANSWERS, ask(as_of=1.5), 422, "as_of"),
    "a word for stream": (ANSWERS, ask(stream="yes"), 422, "stream"),
    "a strategy without adapter": (ANSWERS, ask(strategy="tuned"), 409, ""),
    "the same as a stream": (ANSWERS, ask(strategy="tuned", stream=True), 409, ""),
    "top_k 0": (SEARCH, text({"query": "a", "top_k": 0}), 422, "top_k"),
    "top_k -1": (SEARCH, text({"query": "a", "top_k": -1}), 422, "top_k"),
    "top_k 1e9": (SEARCH, text({"query": "a", "top_k": 1_000_000_000}), 422, "top_k"),
    "top_k as a text": (SEARCH, text({"query": "a", "top_k": "5"}), 422, "top_k"),
    "top_k as a float": (SEARCH, text({"query": "a", "top_k": 5.5}), 422, "top_k"),
    "top_k true": (SEARCH, text({"query": "a", "top_k": True}), 422, "top_k"),
    "an unknown retriever": (SEARCH, text({"query": "a", "retriever": "magic"}), 422, "retriever"),
    "a blank query": (SEARCH, text({"query": "  "}), 422, "query"),
    "an unknown model": (CHAT, chat(model="gpt-5"), 404, "model"),
    "half a model": (CHAT, chat(model="lorag-"), 404, "model"),
    "a model without adapter": (CHAT, chat(model="lorag-tuned"), 400, ""),
    "no model": (CHAT, text({"messages": TURNS}), 400, "model"),
    "no messages": (CHAT, text({"model": "lorag-rag"}), 400, "messages"),
    "empty messages": (CHAT, chat(messages=[]), 400, "messages"),
    "a text for messages": (CHAT, chat(messages="a"), 400, "messages"),
    "an unknown role": (CHAT, chat(messages=[{"role": "god", "content": "a"}]), 400, "messages.0.role"),
    "a role of another type": (CHAT, chat(messages=[{"role": "tool", "content": "a"}]), 400, "messages.0.role"),
    "an object for a role": (CHAT, chat(messages=[{"role": {}, "content": "a"}]), 400, "messages.0.role"),
    "a list for a type": (CHAT, chat(messages=[{"type": [], "role": "user", "content": "a"}]), 400, "messages.0"),
    "objects for parts": (
        CHAT,
        chat(messages=[{"role": "user", "content": [{"type": {}}]}]),
        400,
        "messages.0.content",
    ),
    "the assistant last": (CHAT, chat(messages=[*TURNS, {"role": "assistant", "content": "a"}]), 400, "messages"),
    "an empty last message": (CHAT, chat(messages=[{"role": "user", "content": ""}]), 400, "messages"),
    "a long last message": (CHAT, chat(messages=[{"role": "user", "content": LONG}]), 400, "messages"),
    "an image": (
        CHAT,
        chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc"}}]}]),
        400,
        "messages.0.content",
    ),
    "temperature 0.7": (CHAT, chat(temperature=0.7), 400, "temperature"),
    "temperature -1": (CHAT, chat(temperature=-1), 400, "temperature"),
    "temperature as a text": (CHAT, chat(temperature="hot"), 400, "temperature"),
    "n 2": (CHAT, chat(n=2), 400, "n"),
    "tools": (CHAT, chat(tools=[{"type": "function", "function": {"name": "f"}}]), 400, "tools"),
    "a required tool": (CHAT, chat(tool_choice="required"), 400, "tool_choice"),
    "JSON wanted": (CHAT, chat(response_format={"type": "json_object"}), 400, "response_format"),
    "logprobs": (CHAT, chat(logprobs=True), 400, "logprobs"),
    "a penalty": (CHAT, chat(presence_penalty=1.5), 400, "presence_penalty"),
    "a bias": (CHAT, chat(logit_bias={"50256": -100}), 400, "logit_bias"),
    "reasoning": (CHAT, chat(reasoning_effort="high"), 400, "reasoning_effort"),
    "audio": (CHAT, chat(modalities=["text", "audio"]), 400, "modalities"),
    "a field of the future": (CHAT, chat(think_harder=True), 400, "think_harder"),
    "no tokens": (CHAT, chat(max_tokens=0), 400, "max_tokens"),
    "five stops": (CHAT, chat(stop=["a", "b", "c", "d", "e"]), 400, "stop"),
    "an empty stop": (CHAT, chat(stop=[""]), 400, "stop"),
    "a number for stop": (CHAT, chat(stop=[4]), 400, "stop"),
    "a refused field in a stream": (CHAT, chat(stream=True, n=2), 400, "n"),
    "an earlier response": (RESPONSES, respond(previous_response_id="resp_1"), 400, "previous_response_id"),
    "a tool of responses": (RESPONSES, respond(tools=[{"type": "web_search"}]), 400, "tools"),
    "no input": (RESPONSES, text({"model": "lorag-rag"}), 400, "input"),
    "an input that is no message": (RESPONSES, respond(input=[{"type": "function_call_output"}]), 400, "input.0"),
    "a schema": (RESPONSES, respond(text={"format": {"type": "json_schema"}}), 400, "text"),
    "an unknown answer": (FEEDBACK, text({"answer_id": "ans_0", "verdict": "right"}), 404, "answer_id"),
    "an unknown verdict": (FEEDBACK, text({"answer_id": "a", "verdict": "bad"}), 422, "verdict"),
    "a long comment": (FEEDBACK, text({"answer_id": "a", "verdict": "right", "comment": LONG}), 422, "comment"),
}
ANYWHERE: dict[str, tuple[bytes, int]] = {
    "no JSON": (b"{question: 1}", 400),
    "a comma too many": (b'{"a": 1,}', 400),
    "two values": (b"{} {}", 400),
    "UTF-8 cut off": ('{"a": "\u00e9'.encode()[:-1], 400),
    "a list": (b"[{}]", 422),
    "a number": (b"4", 422),
    "minus infinity": (b'{"a": -Infinity}', 422),
    "a key twice in a list": (b'{"a": [{"b": 1, "b": 2}]}', 422),
}
"""Bodies that every path refuses; OpenAI's answer 400 to what is JSON and no request, as its clients expect."""
for path in (ANSWERS, SEARCH, CHAT, RESPONSES, FEEDBACK):
    for name, (body, status) in ANYWHERE.items():
        as_openai = path in (CHAT, RESPONSES) and name in ("a list", "a number")
        BODIES[f"{path}: {name}"] = (path, body, 400 if as_openai else status, "")
for path, body in ((SEARCH, text({"query": QUESTION})), (FEEDBACK, text({"answer_id": "a", "verdict": "right"}))):
    BODIES[f"{path}: an unknown field"] = (path, text({**json.loads(body), "wher": {}}), 422, "wher")
NULLS = {
    SEARCH: {"query": QUESTION, "as_of": None, "top_k": None, "retriever": None},
    ANSWERS: {"question": QUESTION, "as_of": None},
    CHAT: {"model": "lorag-rag", "messages": TURNS, "as_of": None, "stop": None, "max_tokens": None, "stream": None},
}


@pytest.mark.parametrize("path", NULLS)
def test_null_is_as_good_as_nothing(client: httpx.Client, path: str) -> None:
    assert client.post(path, json=NULLS[path]).status_code == 200


INSIDE = re.compile(
    rb"Traceback|site-packages|/tmp/|/home/|\.py\b|pydantic|Input should|validation error", re.IGNORECASE
)


def assert_problem(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    value: dict[str, Any] = response.json()
    assert value["status"] == status
    assert re.fullmatch(r"E0\d\d", value["code"])
    assert value["type"].startswith("urn:lorag:problem:") and value["title"] and value["detail"]
    assert value["request_id"] == response.headers["x-request-id"]
    assert not INSIDE.search(response.content)
    return value


@pytest.mark.parametrize("name", BODIES)
def test_a_bad_body_is_a_problem_that_names_the_place(client: httpx.Client, name: str) -> None:
    path, body, status, where = BODIES[name]
    response = client.post(path, content=body, headers=JSON)
    value = assert_problem(response, status)
    assert value["where"].startswith(where)
    if path in (CHAT, RESPONSES):
        assert value["error"]["message"] and (value["error"]["param"] or "").startswith(where)


HEADERS: dict[str, tuple[dict[str, str], int]] = {
    "no key": ({"Authorization": ""}, 401),
    "another key": (with_key("other"), 401),
    "half of the key": (with_key(OWNER[:-1]), 401),
    "another scheme": ({"Authorization": f"Basic {OWNER}"}, 401),
    "another host": ({"Host": "evil.example"}, 400),
    "a host that begins alike": ({"Host": "127.0.0.1.evil.example"}, 400),
    "no host's name": ({"Host": ":80"}, 400),
    "a page of another host": ({"Origin": "https://evil.example"}, 403),
    "a page from nowhere": ({"Origin": "null"}, 403),
    "half an address for a page": ({"Origin": "http://["}, 403),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
    "plain text": ({"Content-Type": "text/plain"}, 415),
    "no type": ({"Content-Type": ""}, 415),
    "packed": ({"Content-Encoding": "gzip"}, 415),
    "packed in another way": ({"Content-Encoding": "br"}, 415),
    "packed twice": ({"Content-Encoding": "identity, gzip"}, 415),
    "a type that begins alike": ({"Content-Type": "application/json5"}, 415),
    "many parts": ({"Content-Type": "multipart/form-data; boundary=a"}, 415),
    "a key with a blank": (with_key(f"{OWNER} {OWNER}"), 401),
    "a key of 10,000 characters": (with_key("a" * 10_000), 401),
    "the hash of a key": (with_key("0" * 64), 401),
    "this machine's name as a page elsewhere": ({"Origin": "http://localhost.evil.example"}, 403),
    "a user in the host": ({"Host": "127.0.0.1@evil.example"}, 400),
}


@pytest.mark.parametrize("path", [ANSWERS, CHAT, "/mcp"])
@pytest.mark.parametrize("name", HEADERS)
def test_a_bad_header_is_refused_before_anything_is_computed(client: httpx.Client, name: str, path: str) -> None:
    headers, status = HEADERS[name]
    response = client.post(path, content=ask(), headers={**JSON, **headers})
    assert_problem(response, status)
    assert not [header for header in response.headers if header.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", ANSWERS, 405),
        ("TRACE", "/healthz", 405),
        ("DELETE", "/v1/releases", 405),
        ("GET", "//v1/releases", 404),
        ("GET", "/v1/releases/", 404),
        ("GET", "/docs", 404),
        ("POST", "/v1/refresh", 404),
        ("GET", "/v1/documents/nowhere.md", 404),
        ("GET", "/v1/documents/..%2f..%2fparams.yaml", 404),
        ("GET", "/v1/documents/%2e%2e%2f%2e%2e%2fetc%2fpasswd", 404),
        ("GET", "/v1/documents/%252e%252e%252fetc%252fpasswd", 404),
        ("GET", "/v1/documents/berths.md%00", 404),
        ("GET", "/v1/documents/' OR 1=1 --", 404),
        ("GET", "/v1/documents//etc/passwd", 404),
        ("GET", "/v1/models/gpt-5", 404),
        ("GET", "/v1/models/lorag-tuned", 404),
        ("GET", "/v1/changes?since=nowhere", 404),
        ("GET", f"/v1/releases?key={OWNER}", 400),
        ("GET", f"/v1/releases?access_token={OWNER}", 400),
        ("GET", f"/v1/releases?API_KEY={OWNER}", 400),
        ("GET", "/v1/releases?token", 400),
        ("GET", "/v1/changes?since=", 404),
        ("GET", f"/v1/changes?since={'9' * 200}", 422),
        ("GET", "/v1/changes?since=1&since=2", 422),
        ("GET", "/v1/changes?sinec=1", 422),
        ("GET", "/v1/releases?served=true", 422),
        ("GET", "/v1/documents/berths.md?release=1", 422),
        ("GET", "/v1/documents/", 404),
        ("GET", "/v1/documents/%FF", 404),
        ("GET", f"/v1/documents/{'a' * 4_000}", 404),
        ("GET", "/v1/models/lorag-", 404),
        ("GET", "/v1/models/", 404),
        ("GET", "/.lorag/serve.key", 404),
        ("GET", "/mcp", 405),
        ("DELETE", "/mcp", 405),
        ("DELETE", ANSWERS, 405),
        ("GET", CHAT, 405),
        ("GET", FEEDBACK, 405),
        ("POST", "/v1/releases", 405),
        ("POST", "/metrics", 405),
        ("POST", "/openapi.json", 405),
        ("PUT", "/v1/documents/berths.md", 405),
        ("BREW", "/v1/releases", 405),
    ],
)
def test_a_path_that_is_not_there_reads_nothing(client: httpx.Client, method: str, path: str, status: int) -> None:
    assert_problem(
        client.request(method, path, headers=JSON, content=b"{}" if method in ("POST", "PUT") else None), status
    )


RPC = {"jsonrpc": "2.0", "id": 1}
MESSAGES: dict[str, tuple[Any, int, str]] = {
    "a list of messages": ([{**RPC, "method": "ping"}], 400, "one at a time"),
    "nothing": (None, 400, "must be an object"),
    "no method": (RPC, 400, "method must be text"),
    "another version": ({**RPC, "jsonrpc": "1.0", "method": "ping"}, 400, 'jsonrpc must be "2.0"'),
    "params in a list": ({**RPC, "method": "tools/call", "params": ["ask"]}, 400, "params must be an object"),
    "an object for an id": ({**RPC, "id": {}, "method": "ping"}, 400, "id must be"),
    "an unknown method": ({**RPC, "method": "tools/drop"}, 200, "Method not found"),
    "a tool without a name": ({**RPC, "method": "tools/call", "params": {}}, 200, "Invalid request parameters"),
    "a file": ({**RPC, "method": "resources/read", "params": {"uri": "file:///etc/passwd"}}, 200, "Unknown resource"),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_bad_message_of_mcp_gets_one_line(client: httpx.Client, name: str) -> None:
    pytest.importorskip("mcp", reason="the extra `mcp` of lorag is not installed")
    message, status, line = MESSAGES[name]
    accepts = {**JSON, "Accept": "application/json, text/event-stream"}
    response = client.post("/mcp", content=text(message), headers=accepts)
    said = response.json()["error"]["message"]
    assert response.status_code == status and line in said and "\n" not in said
    assert not INSIDE.search(response.content)


def test_200_requests_are_tried() -> None:
    paths = next(mark.args[1] for mark in test_a_path_that_is_not_there_reads_nothing.pytestmark)
    assert len(BODIES) + 3 * len(HEADERS) + len(paths) + len(MESSAGES) >= 200


def test_a_large_body_is_refused_with_its_length_and_without(client: httpx.Client) -> None:
    large = ask(comment="x" * 70_000)
    assert_problem(client.post(ANSWERS, content=large, headers=JSON), 413)
    assert_problem(client.post(ANSWERS, content=iter([large]), headers=JSON), 413)


def test_every_path_but_the_health_checks_asks_for_a_key(service: Served) -> None:
    described = service.app.openapi()
    paths = [(method, path) for path, methods in described["paths"].items() for method in methods]
    with httpx.Client(base_url=service.address) as stranger:
        for method, path in [*paths, ("get", "/openapi.json"), ("post", "/mcp"), ("get", "/mcp"), ("get", "/nowhere")]:
            response = stranger.request(method, path.replace("{document_id}", "a").replace("{model}", "a"))
            if path in ("/healthz", "/readyz"):
                assert response.status_code == 200
            else:
                assert_problem(response, 401)


def test_the_paths_are_these_and_none_changes_what_is_served(service: Served) -> None:
    described = service.app.openapi()
    assert {(method, path) for path, methods in described["paths"].items() for method in methods} == {
        ("get", "/healthz"),
        ("get", "/readyz"),
        ("get", "/metrics"),
        ("post", "/v1/answers"),
        ("post", "/v1/search"),
        ("get", "/v1/releases"),
        ("get", "/v1/releases/{release}"),
        ("get", "/v1/changes"),
        ("get", "/v1/documents/{document_id}"),
        ("post", "/v1/feedback"),
        ("get", "/v1/models"),
        ("get", "/v1/models/{model}"),
        ("post", "/v1/chat/completions"),
        ("post", "/v1/responses"),
    }
    bodies = [m["requestBody"] for p in described["paths"].values() for m in p.values() if "requestBody" in m]
    assert len(bodies) == 5, "each request has a schema"
    assert described["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


def test_responses_say_what_they_are_and_not_what_made_them(client: httpx.Client) -> None:
    for path in ("/healthz", "/v1/releases", "/v1/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
        assert "server" not in headers


def test_the_figures_count_requests_by_path(client: httpx.Client) -> None:
    client.get("/v1/documents/somewhere")
    figures = client.get("/metrics").text
    assert 'lorag_requests_total{method="GET",path="/v1/documents/{document_id:path}",status="404"}' in figures
    assert "somewhere" not in figures


def test_a_defect_says_nothing_of_its_inside(client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any, on_text: Any = None, **values: Any) -> Any:
        if on_text is not None:
            on_text("The first words. ")
        raise RuntimeError("secret of /home/somebody/file.py")

    monkeypatch.setattr("lorag.service.desk.search_with", fail)
    monkeypatch.setattr("lorag.service.desk.answer_with", fail)
    assert_problem(client.post(SEARCH, content=text({"query": "a"}), headers=JSON), 500)
    assert_problem(client.post(ANSWERS, content=ask(strategy="base"), headers=JSON), 500)
    streams = [
        client.post(ANSWERS, content=ask(strategy="base", stream=True), headers=JSON),
        client.post(CHAT, content=chat(model="lorag-base", stream=True), headers=JSON),
        client.post(RESPONSES, content=respond(model="lorag-base", stream=True), headers=JSON),
    ]
    for stream in streams:
        assert stream.status_code == 200 and "The first words" in stream.text
        assert "failed to answer" in stream.text and "secret" not in stream.text
