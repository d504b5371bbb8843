import json
import subprocess
import sys
from pathlib import Path

from mlflow import MlflowClient

ROOT = Path(__file__).parents[1]


def test_a_saved_view_lies_with_each_experiment_that_has_runs(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = MlflowClient(uri)
    experiment = client.create_experiment("lorag", artifact_location=str(tmp_path / "artifacts"))
    client.create_run(experiment)
    printed = subprocess.run(
        [sys.executable, ROOT / "mlflow" / "save_views.py", uri, "http://127.0.0.1:5000"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    tags = client.get_experiment(experiment).tags
    state = json.loads(tags["mlflow.sharedViewState.update-costs"])
    assert "cost.wall_s" in [chart["metricKey"] for chart in state["compareRunCharts"]]
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == {state["compareRunSections"][0]["uuid"]}
    assert max(map(len, tags.values())) < 5_000, "what a tracking server keeps of a tag"
    assert f"/#/experiments/{experiment}/runs?" in printed and "viewStateShareKey=strategies" in printed
    assert printed.count("lorag: ") == 2, "the default experiment has no runs"
    for name in ("update-costs", "strategies"):
        found = json.loads(tags[f"mlflow.sharedViewState.{name}"])["searchFilter"]
        assert client.search_runs([experiment], found) == [], "a filter that the server understands"
