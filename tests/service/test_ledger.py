"""Each answer is in the ledger and, where tracing is on, in MLflow; the advice uses the traffic of the service."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from mlflow import MlflowClient

from lorag.cli import run
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.service.app import make_app
from lorag.use_cases.serve.answer_costs import read_served
from lorag.use_cases.serve.tracing import experiment_of
from tests.service.conftest import OWNER, QUESTION, Served, running, with_key
from tests.use_cases.conftest import Place

STRATEGY = "lorag.strategy"


def n_served(place: Place) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in read_served(place.workspace):
        counts[each.strategy.value] = counts.get(each.strategy.value, 0) + each.n
    return counts


def test_every_door_counts_its_answers(service: Served) -> None:
    before = n_served(service.place)
    turns = [{"role": "user", "content": QUESTION}]
    asked: list[tuple[str, dict[str, Any]]] = [
        ("/v1/answers", {"question": QUESTION}),
        ("/v1/answers", {"question": QUESTION, "strategy": "hybrid", "stream": True}),
        ("/v1/chat/completions", {"model": "lorag-rag", "messages": turns}),
        ("/v1/responses", {"model": "lorag-base", "input": QUESTION}),
    ]
    for path, body in asked:
        assert service.client.post(path, json=body).status_code == 200
    # A search is no answer.
    service.client.post("/v1/search", json={"query": QUESTION})
    after = n_served(service.place)
    assert {name: after[name] - before.get(name, 0) for name in after} == {"rag": 2, "hybrid": 1, "base": 1}
    newest = read_served(service.place.workspace)[-1]
    assert newest.cost.use.cpu_s > 0 and newest.cost.use.kwh > 0 and newest.cost.use.tokens > 0
    assert newest.release == service.place.shelf.served_id() and newest.cost.machine is not None
    assert QUESTION not in service.place.workspace.answer_costs_file.read_text()


def call(place: Place, capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    capfd.readouterr()
    assert run(["--workspace", str(place.workspace.root), *arguments]) == 0
    return " ".join(capfd.readouterr().out.split())


def test_costs_and_advice_know_the_traffic(
    service: Served, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    service.client.post("/v1/answers", json={"question": QUESTION})
    n = sum(n_served(service.place).values())
    listed = json.loads(call(service.place, capfd, "costs", "--json"))
    assert sum(entry["n_queries"] for entry in listed["entries"] if entry["source"] == "served") == n
    said = call(service.place, capfd, "costs")
    assert "answers rag" in said and "served" in said
    advice = json.loads(call(service.place, capfd, "advise", "--updates-per-day", "2", "--json"))["advice"]
    assert (advice["traffic"]["n_queries"], advice["traffic"]["days"]) == (n, 1)
    assert f"For {n} queries and 0 updates a day, as the service had today" in call(service.place, capfd, "advise")
    found = json.loads(call(service.place, capfd, "break-even", "--json"))
    assert (found["at"]["queries_per_day"], found["at"]["traffic"]["n_queries"]) == (n, n)
    given = call(service.place, capfd, "break-even", "--updates-per-day", "1", "--queries-per-day", "50")
    assert "With 50 queries and 1 update a day:" in given


@pytest.fixture
def traced(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Place, httpx.Client]]:
    """A service that traces all of its answers."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params = place.workspace.params_file
    params.write_text(params.read_text().replace("trace_share: 0 ", "trace_share: 1 "))
    place.refresh()
    with running(make_app(place.workspace, {}, OWNER)) as address:
        with httpx.Client(base_url=address, headers=with_key(OWNER), timeout=60) as client:
            yield place, client


def test_a_traced_answer_has_spans_for_search_and_generation(traced: tuple[Place, httpx.Client]) -> None:
    place, client = traced
    for strategy in ("rag", "base"):
        client.post("/v1/answers", json={"question": QUESTION, "strategy": strategy})
    mlflow = MlflowClient(tracking_uri=locate_tracking(place.workspace.state, {}).uri)
    traces: list[Any] = []
    for _ in range(600):
        found = mlflow.get_experiment_by_name(experiment_of(place.params))
        traces = mlflow.search_traces(locations=[found.experiment_id]) if found else []
        if len(traces) == 2 and all(trace.data.spans and STRATEGY in trace.info.tags for trace in traces):
            break
        time.sleep(0.1)
    spans = {trace.info.tags[STRATEGY]: [span.name for span in trace.data.spans] for trace in traces}
    assert spans == {"rag": ["answer rag", "retrieve", "generate"], "base": ["answer base", "generate"]}
    (read,) = (trace for trace in traces if trace.info.tags[STRATEGY] == "rag")
    assert read.info.tags["lorag.door"] == "answers" and read.data.spans[0].inputs == {"question": QUESTION}
