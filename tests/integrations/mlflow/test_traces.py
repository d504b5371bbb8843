"""Answers as traces: spans with their own times, on the page of their run, and nothing global left behind."""

import os
import time
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient

from lorag.integrations.mlflow.traces import TracedAnswer, log_traces
from lorag.integrations.mlflow.tracking import locate_tracking, start_run


@pytest.mark.parametrize("before", [None, "http://127.0.0.1:9"])
def test_spans_tell_when_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    location = locate_tracking(tmp_path, {})
    if before is None:
        monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    else:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", before)
    with start_run(location, "lorag", "answers rag", {}) as run:
        run.log_dataset("questions", "d" * 64, "questions.jsonl", 3, "evaluation")
    end = time.time_ns()
    read = TracedAnswer(
        "answer rag",
        "How deep?",
        "7 m",
        end - 3_000_000_000,
        end - 2_000_000_000,
        end,
        ("c1",),
        {"tokens_generated": 3},
        {"lorag.release": "r1"},
        ("7 m", "7 metres"),
        {"right": True, "cited": False},
    )
    recalled = TracedAnswer("answer base", "Why?", "No.", end - 1_000_000_000, end - 1_000_000_000, end, (), {}, {})
    log_traces(location, run.run_id, [read, recalled])
    assert os.environ.get("MLFLOW_TRACKING_URI") == before

    client = MlflowClient(tracking_uri=location.uri)
    found = client.get_run(run.run_id)
    (dataset,) = [each.dataset for each in found.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("questions", "d" * 36)
    traces = client.search_traces(locations=[found.info.experiment_id], run_id=run.run_id)
    spans = {
        trace.info.tags["mlflow.traceName"]: [
            (s.name, round((s.end_time_ns - s.start_time_ns) / 1e9)) for s in trace.data.spans
        ]
        for trace in traces
    }
    assert spans == {
        "answer rag": [("answer rag", 3), ("retrieve", 1), ("generate", 2)],
        "answer base": [("answer base", 1), ("generate", 1)],
    }
    (told,) = [trace for trace in traces if trace.info.tags["mlflow.traceName"] == "answer rag"]
    assert told.info.tags["lorag.release"] == "r1"
    assert {each.name: each.value for each in told.info.assessments} == {
        "expected_response": "7 m / 7 metres",
        "right": True,
        "cited": False,
    }
    assert {each.source.source_type for each in told.info.assessments} == {"CODE"}
    assert told.data.spans[1].outputs == {"chunk_ids": ["c1"]}
    assert told.data.spans[2].attributes["tokens_generated"] == 3
    assert mlflow.active_run() is None
