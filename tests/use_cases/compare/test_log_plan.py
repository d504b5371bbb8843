"""The plan in an MLflow run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from lorag.costs.plan import Demand, Plan, choose
from lorag.costs.policies import Candidate, Course, Policy
from lorag.costs.unit_costs import Band, UnitCosts
from lorag.integrations.mlflow.tracking import locate_tracking, start_run
from lorag.params_file import load_params
from lorag.strategies import Strategy
from lorag.use_cases.compare.log_plan import log_plan
from tests.costs.test_policies import state

ROOT = Path(__file__).parents[3]


def test_the_frontier_is_an_artifact_and_the_choice_a_tag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    params, cost = load_params(ROOT / "params.yaml"), Band(0.5, 1.0, 2.0)
    course = Course(1, 0, state(0.7), repeats=True)
    one = Candidate(Policy(Strategy.RAG), course, UnitCosts(Strategy.RAG, cost, cost.times(0.001), 0.0), 20.0, 30.0)
    demand = Demand(4, 2000)
    plan = Plan(demand, choose([one], demand, params.advice), (), "EUR", 0.95)
    unknown = Plan(demand, choose([replace(one, costs=None)], demand, params.advice), (), "EUR", 0.95)
    location = locate_tracking(tmp_path, {})
    with start_run(location, "plans", "run", {}) as run:
        for each in (None, unknown):
            log_plan(run, each)
        assert "lorag.policy" not in MlflowClient(location.uri).get_run(run.run_id).data.tags
        log_plan(run, plan)
    client = MlflowClient(location.uri)
    found = client.get_run(run.run_id).data
    assert found.tags["lorag.policy"] == "rag"
    assert found.tags["lorag.policy_load"] == "4 updates and 2,000 queries a day"
    assert (found.metrics["plan.cost_a_day"], found.metrics["plan.accuracy"]) == (6.0, 0.7)
    logged = {item.path for folder in (None, "plots") for item in client.list_artifacts(run.run_id, folder)}
    assert {"plan.json", "plots/plan.png"} <= logged
    path = client.download_artifacts(run.run_id, "plan.json", str(tmp_path))
    assert json.loads(Path(path).read_text())["policies"][0]["on_frontier"]
