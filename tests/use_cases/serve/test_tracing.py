"""Traces of the service's answers: a share of them, in an experiment of their own, deleted after a term."""

import time
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from lorag.integrations.mlflow.traces import TracedAnswer
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.params_file import load_params
from lorag.use_cases.serve.tracing import Tracer, experiment_of
from lorag.workspace import Workspace
from tests.test_params import ROOT

DAY_NS = 86_400 * 10**9


def tracer(folder: Path, share: float, **values: Any) -> Tracer:
    params = load_params(ROOT / "params.yaml")
    own = params.service.model_copy(update={"trace_share": share, "keep_traces_days": 7})
    made = Tracer(Workspace(folder), {}, params.model_copy(update={"service": own}), **values)
    made.start()
    return made


def traced(folder: Path) -> list[str]:
    client = MlflowClient(tracking_uri=locate_tracking(folder / ".lorag", {}).uri)
    found = client.get_experiment_by_name(experiment_of(load_params(ROOT / "params.yaml")))
    traces = client.search_traces(locations=[found.experiment_id])
    return sorted(trace.info.tags["lorag.query"] for trace in traces)


def test_a_share_of_the_answers_is_traced_and_old_traces_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / ".lorag").mkdir()
    now = time.time_ns()
    answer = TracedAnswer("answer rag", "How deep?", "7 m", now, now, now, ("c1",), {"tokens_generated": 3}, {})
    half = tracer(tmp_path, 0.5, chance=cycle((0.2, 0.7)).__next__)
    for name, days in (("new", 0), ("not chosen", 0), ("old", 8), ("not chosen either", 0)):
        began = now - days * DAY_NS
        half.add(replace(answer, started_ns=began, searched_ns=began, ended_ns=began, tags={"lorag.query": name}))
    half.close()
    assert traced(tmp_path) == ["new", "old"]

    # Tracing was turned off, and what is too old goes all the same.
    tracer(tmp_path, 0.0).close()
    assert traced(tmp_path) == ["new"]


def test_without_tracing_nothing_runs_and_nothing_is_written(tmp_path: Path) -> None:
    off = tracer(tmp_path, 0.0)
    assert off._thread is None and not list(tmp_path.iterdir())
