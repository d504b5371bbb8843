"""What a retrain says was trained, with DVC itself."""

import json
import subprocess
from pathlib import Path

import pytest

from lorag.costs.ledger import Extent, extent_of_retrain
from lorag.integrations.dvc.dvc_repo import init_dvc
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.unlogged_costs import Trained
from lorag.use_cases.retrain.steps import Reproduced, reproduce
from lorag.workspace import Workspace

STAGES = """
stages:
  adapter:
    matrix: {adapter: [tuned]}
    cmd: mkdir -p artifacts .lorag/training && cp params.yaml artifacts/adapter && cp receipt .lorag/training/tuned.json
    params: [rank]
    outs: [artifacts/adapter]
  adapter_evaluation:
    matrix: {adapter: [tuned]}
    cmd: cp artifacts/adapter artifacts/evaluation
    deps: [artifacts/adapter]
    outs: [artifacts/evaluation]
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    init_dvc(tmp_path)
    (tmp_path / "dvc.yaml").write_text(STAGES)
    Trained(4_632, None).write(tmp_path / "receipt")
    return Workspace(tmp_path)


def test_an_adapter_that_the_run_cache_gave_back_was_not_trained(workspace: Workspace) -> None:
    found: list[Reproduced] = []
    for rank in (1, 2, 1, 1):
        (workspace.root / "params.yaml").write_text(json.dumps({"rank": rank}))
        found.append(reproduce(AdapterKind.TUNED, workspace))
    assert [one.tokens_trained for one in found] == [4_632, 4_632, 0, 0]
    assert [extent_of_retrain(one.tokens_trained, None) for one in found[1:3]] == [Extent.FULL, Extent.UNCHANGED]
    assert found[2].stages == found[0].stages, "it is another adapter all the same"
