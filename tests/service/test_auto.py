"""A strategy chosen for each question by every door of the service, with a router that a test wrote."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from lorag.answering.routing import FEATURES, Router
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.serve.kept_router import KeptRouter, keep_router
from lorag.use_cases.serve.query_log import read_queries
from tests.service.conftest import QUESTION, Served, with_key

UNKNOWN = "zzz qqq xxyx"
Keep = Callable[..., None]


@pytest.fixture
def keep(service: Served) -> Iterator[Keep]:
    """Keeps a router by which `reader` answers where something was found, and base where nothing was."""
    paths = []
    release = service.place.shelf.served()
    assert release is not None

    def keep(reader: Strategy = Strategy.RAG, reason: str | None = None) -> None:
        found = {reader: {"constant": -2.5, "found": 7.5}, Strategy.BASE: {"constant": 2.5, "found": -7.5}}
        router = Router({name: tuple(each.get(f, 0.0) for f in FEATURES) for name, each in found.items()})
        kept = KeptRouter(router, release.id, reader, reason, {})
        paths.append(keep_router(kept, release, service.place.workspace, service.place.params))

    yield keep
    for path in paths:
        path.unlink(missing_ok=True)


def ask(client: httpx.Client, question: str, key: str | None = None) -> httpx.Response:
    headers = with_key(key) if key else {}
    return client.post("/v1/answers", json={"question": question, "strategy": "auto"}, headers=headers)


def listed(client: httpx.Client, key: str | None = None) -> dict[str, Any]:
    found = client.get("/v1/models", headers=with_key(key) if key else {}).json()
    return {each["id"]: each.get("reason") for each in [*found["data"], *found["unavailable"]]}


def test_a_release_without_a_router_says_so(client: httpx.Client) -> None:
    refused = ask(client, QUESTION)
    assert refused.status_code == 409 and "no router" in refused.json()["detail"]
    assert "lorag compare" in refused.json()["do"]
    assert "no router" in listed(client)["lorag-auto"]
    assert client.get("/v1/models/lorag-auto").status_code == 404


def test_the_answer_names_its_strategy_and_why(client: httpx.Client, keep: Keep, service: Served) -> None:
    keep()
    assert listed(client)["lorag-auto"] is None
    answer = ask(client, QUESTION).json()
    assert (answer["strategy"], answer["kind"]) == ("rag", "quoted")
    assert "rag 99%, base 1%" in answer["routed"]["why"]
    assert ask(client, UNKNOWN).json()["strategy"] == "base"
    limited = {"model": "lorag-auto", "messages": [{"role": "user", "content": QUESTION}], "max_tokens": 2}
    done = client.post("/v1/chat/completions", json=limited).json()
    assert done["model"] == "lorag-auto" and done["choices"][0]["message"]["content"].endswith("[1]")
    assert done["lorag"]["strategy"] == "rag" and done["lorag"]["routed"]["why"]
    logged = read_queries(service.place.workspace.queries_file)[-3:]
    assert [query.strategy for query in logged] == ["rag", "base", "rag"], "costs belong to the strategy that answered"


def test_a_router_that_does_not_serve_is_no_model(client: httpx.Client, keep: Keep) -> None:
    keep(reason="an answer takes longer")
    assert listed(client)["lorag-auto"] == "an answer takes longer"
    answer = ask(client, UNKNOWN).json()
    assert answer["strategy"] == "rag"
    assert answer["routed"]["why"] == "auto chooses nothing here, because an answer takes longer"


def test_a_key_that_may_not_use_an_adapter_has_nothing_chosen(
    client: httpx.Client, keep: Keep, service: Served
) -> None:
    keep(reader=Strategy.HYBRID)
    assert ask(client, QUESTION).json()["strategy"] == "hybrid"
    refused = ask(client, UNKNOWN, service.kitchen)
    assert refused.status_code == 403, "also where base would have been chosen: what was found must not show"
    assert "hybrid adapter" in refused.json()["detail"]
    assert "hybrid adapter" in listed(client, service.kitchen)["lorag-auto"]
    older = {"question": QUESTION, "strategy": "auto", "as_of": "2"}
    assert client.post("/v1/answers", json=older).json()["adapter"].startswith(AdapterKind.HYBRID)
    assert client.post("/v1/answers", json=older, headers=with_key(service.kitchen)).status_code == 403
