"""Strangers 10: what DVC shows of a workspace: metrics, plots and artifacts, by DVC itself."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lorag.evaluation.comparison import SUMMARISED, Comparison
from lorag.evaluation.timeline_records import Timeline
from lorag.integrations.dvc.dvc_repo import init_dvc
from lorag.integrations.git_repo import init_repository
from lorag.strategies import AdapterKind, Strategy
from lorag.tuning.report import EpochResult, TrainingReport
from lorag.use_cases.compare.compare_answers import write_comparison
from lorag.use_cases.timeline.timeline_report import write_tables
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "docs" / "reports" / "sample"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A repository with the project's dvc.yaml, the sample's reports and one trained adapter."""
    root = tmp_path_factory.mktemp("dvc")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(ROOT / name, root / name)
    init_repository(root)
    init_dvc(root)
    workspace = Workspace(root)
    comparison = json.loads((SAMPLE / "comparison.json").read_text(encoding="utf-8"))
    write_comparison(Comparison.from_json(comparison), workspace.reports)
    walk = json.loads((SAMPLE / "timeline.json").read_text(encoding="utf-8"))
    write_tables(Timeline.from_json(walk), workspace.reports)
    epochs = [EpochResult(1, 2.0, 2.5, 0.0), EpochResult(2, 1.0, 1.5, 0.5)]
    report = TrainingReport(epochs, 2, False, 4, 100, 50, 8, [2.0, 1.0], "cpu")
    folder = workspace.adapter_folder(AdapterKind.TUNED)
    folder.mkdir(parents=True)
    (folder / "training.json").write_text(json.dumps(report.to_json()))
    from dvc.repo import Repo

    with Repo(str(root)) as opened:
        yield opened


def flat(value: Any) -> list[Any]:
    return [leaf for item in value.values() for leaf in flat(item)] if isinstance(value, dict) else [value]


def test_metrics_are_one_readable_table(repo: Any) -> None:
    shown = {name: found["data"] for name, found in repo.metrics.show()[""]["data"].items() if "data" in found}
    assert list(shown) == ["reports/summary.json"]
    assert list(shown["reports/summary.json"]) == sorted(Strategy)
    assert set(shown["reports/summary.json"]["rag"]) == set(SUMMARISED)
    assert len(flat(shown)) <= 20


def test_loss_curves_and_the_timeline_are_drawn(repo: Any) -> None:
    command = [sys.executable, "-m", "dvc", "plots", "show", "--json"]
    found = subprocess.run(command, cwd=repo.root_dir, capture_output=True, text=True, check=True)
    shown = json.loads(found.stdout)
    drawn = {name: found[0]["content"]["data"]["values"] for name, found in shown["data"].items() if found}
    assert {error["type"] for error in shown["errors"]} == {"FileNotFoundError"}, "of what was not made yet"
    losses = drawn["Loss of tuned by epoch"]
    assert [(row["epoch"], row["dvc_inferred_y_value"]) for row in losses if row["field"] == "loss"] == [(1, 2), (2, 1)]
    walk = drawn["Right answers by version of the knowledge"]
    assert {row["field"] for row in walk} == set(Strategy)
    assert [row["dvc_inferred_y_value"] for row in walk if row["field"] == "tuned"] == [
        "0.814126",
        "0.818182",
        "0.820789",
    ]


def test_artifacts_name_each_adapter_and_what_an_index_is_built_from(repo: Any) -> None:
    found = repo.artifacts.read()["dvc.yaml"]
    models = {artifact.path for artifact in found.values() if artifact.type == "model"}
    assert models == {f"artifacts/adapters/{kind}" for kind in AdapterKind}
    outs = {str(out.def_path) for out in repo.index.outs}
    assert {artifact.path for artifact in found.values()} - models <= outs
    assert all(artifact.desc for artifact in found.values())
