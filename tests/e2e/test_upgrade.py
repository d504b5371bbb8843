"""A workspace as 0.1.0 left it, elsewhere than it was made: brought to this version, and its life goes on."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lorag.releases.shelf import ReleaseShelf
from lorag.workspace import Workspace
from tests.e2e.conftest import Cli
from tests.earlier import unpack_workspace

pytestmark = pytest.mark.slow

SERVED, CONTENT = "000005-0995ddc4cf", "c23305a2bef14ca3bf2d734d89d2d9a498ef0fd01642c8647bf2691e951be53e"


def call(cli: Cli, workspace: Workspace, *arguments: str) -> dict[str, Any]:
    outcome = cli("--workspace", workspace.root, *arguments, "--json")
    assert outcome.status == 0, outcome.err
    return outcome.json


def edit(workspace: Workspace, old: str, new: str) -> None:
    text = workspace.params_file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    workspace.params_file.write_text(text.replace(old, new), encoding="utf-8")


def committed_params(workspace: Workspace, release: str) -> str:
    commit = ReleaseShelf(workspace.state).read(release).git_commit
    command = ["git", "show", f"{commit}:params.yaml"]
    return subprocess.run(command, cwd=workspace.root, capture_output=True, text=True, check=True).stdout


def test_a_workspace_of_an_earlier_version_lives_on(tmp_path: Path, cli: Cli) -> None:
    workspace = unpack_workspace(tmp_path)
    refused = cli("--workspace", workspace.root, "status")
    assert refused.status == 2
    assert "`retrain_from_share` is advice.plan_share" in refused.err and "`lorag upgrade`" in refused.err

    changes = call(cli, workspace, "upgrade")["changes"]
    assert [change["file"] for change in changes] == [
        "params.yaml",
        "dvc.yaml",
        ".dvc/config",
        ".lorag/mlflow/mlflow.db",
    ]
    assert call(cli, workspace, "upgrade")["changes"] == []

    status = call(cli, workspace, "status")
    assert (status["served"], status["models"]) == (SERVED, {"embedder": None, "base_model": None})
    refreshed = call(cli, workspace, "refresh")
    assert (refreshed["plan"]["embedded"], refreshed["content_digest"]) == (0, CONTENT)
    assert refreshed["mlflow_run_id"] and not Path("/srv/workspace").exists()
    assert "retriever: fused" in committed_params(workspace, refreshed["release"])
    tracked = subprocess.run(["git", "ls-files", "versions.json"], cwd=workspace.root, capture_output=True, check=True)
    assert tracked.stdout
    assert call(cli, workspace, "status")["up_to_date"]

    edit(workspace, 'refresh: "0 * * * *"', 'refresh: "5 * * * *"')
    again = call(cli, workspace, "refresh")
    assert (again["published"], again["stages"]) == (False, []), "a schedule changes no answer"
    edit(workspace, "temperature: 0.0", "temperature: 0.5")
    warmer = call(cli, workspace, "refresh")
    assert (warmer["published"], warmer["stages"], warmer["content_digest"]) == (True, [], CONTENT)
    assert "temperature: 0.5" in committed_params(workspace, warmer["release"])

    hit = call(cli, workspace, "search", "How deep is berth 1 at low water?")["hits"][0]
    assert (hit["document_id"], hit["chunk_id"]) == ("berths.md", "d7a8c5353ddeddf019a87c4863da8c14")
    assert "2.9 metres" in hit["text"]
    assert call(cli, workspace, "rollback")["release"] == refreshed["release"]
    assert call(cli, workspace, "rollback", "3")["release"] == "000003-e9fe7b8f21"
    assert json.loads((workspace.state / "current.json").read_text())["generation"] == 3
