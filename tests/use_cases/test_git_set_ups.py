"""Strangers 22: a workspace commits to its own repository, whatever git is told elsewhere."""

import subprocess
from pathlib import Path

import pytest

from lorag.errors import WorkspaceError
from lorag.params_file import load_params
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.refresh import steps
from lorag.workspace import Workspace

HOOKS = ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit", "reference-transaction")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder whose git signs commits, runs hooks that refuse, and ignores what a workspace holds."""
    folder = tmp_path / "home"
    (folder / "hooks").mkdir(parents=True)
    for name in HOOKS:
        (folder / "hooks" / name).write_text(f"#!/bin/sh\necho {name} >> {folder}/ran\nexit 1\n")
        (folder / "hooks" / name).chmod(0o755)
    (folder / "ignored").write_text("data/\n*.lock\nreports/\nstarts.json\nparams.yaml\n.dvc\n")
    (folder / ".gitconfig").write_text(
        "[user]\n\temail = kim@example.org\n[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n"
        f"[core]\n\thooksPath = {folder}/hooks\n\texcludesFile = {folder}/ignored\n[init]\n\tdefaultBranch = trunk\n"
    )
    for name in ("GIT_CONFIG_GLOBAL", "XDG_CONFIG_HOME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"):
        monkeypatch.delenv(name, raising=False)
    # The converted models of this machine are named by their own variable.
    from lorag.integrations.models.cache import home_folder

    monkeypatch.setenv("LORAG_HOME", str(home_folder()))
    monkeypatch.setenv("HOME", str(folder))
    return folder


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nThe lamp is lit at 18:30.\n")
    return tmp_path / "docs"


def git(folder: Path, *arguments: str) -> str:
    """What git says where nothing of the set-up is in its way."""
    found = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    command = ["git", "-c", "protocol.file.allow=always", "-c", "user.name=Kim", "-c", "user.email=kim@example.org"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, env=found, check=True, capture_output=True, text=True
    ).stdout


def snapshot_and_commit(workspace: Workspace) -> None:
    """What a refresh does with DVC and git."""
    params = load_params(workspace.params_file)
    steps.snapshot(workspace, params)
    (workspace.root / "dvc.lock").write_text("schema: '2.0'\n")
    workspace.reports.mkdir(exist_ok=True)
    (workspace.reports / "index.json").write_text("{}")
    steps.commit_versions(workspace, params)


def test_inside_a_hook_of_another_repository_with_signing_hooks_and_ignores(
    home: Path, docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    git(tmp_path, "init", "--quiet", str(other))
    for name, value in {
        "GIT_DIR": other / ".git",
        "GIT_WORK_TREE": other,
        "GIT_INDEX_FILE": other / ".git" / "index",
        "GIT_PREFIX": "sub/",
    }.items():
        monkeypatch.setenv(name, str(value))
    root = init_workspace(tmp_path / "w", docs, None).root
    snapshot_and_commit(Workspace(root))
    assert git(root, "log", "--format=%s, %an %ae, %G?").splitlines() == [
        "Refresh the knowledge, lorag kim@example.org, N",
        "Start the workspace, lorag kim@example.org, N",
    ]
    tracked = set(git(root, "ls-files").split())
    assert {"data/source.dvc", "dvc.lock", "reports/index.json", "params.yaml", "starts.json"} <= tracked
    assert git(root, "status", "--short") == ""
    assert not (home / "ran").exists(), "no hook ran"
    assert not (other / ".git" / "index").exists() and sorted(other.iterdir()) == [other / ".git"]

    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(root), str(clone))
    with pytest.raises(WorkspaceError, match="git ignores .* core.excludesFile /dev/null"):
        snapshot_and_commit(Workspace(clone))
    git(clone, "config", "core.excludesFile", "/dev/null")
    (docs / "b.md").write_text("# B\n\nThe gate is shut at 22:15.\n")
    snapshot_and_commit(Workspace(clone))
    assert git(clone, "log", "--format=%s").splitlines()[0] == "Refresh the knowledge"


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_in_a_worktree_or_a_submodule_without_any_identity(home: Path, docs: Path, tmp_path: Path, kind: str) -> None:
    (home / ".gitconfig").write_text("")
    git(tmp_path, "init", "--quiet", "main")
    git(tmp_path / "main", "commit", "--quiet", "--allow-empty", "--message", "first")
    if kind == "worktree":
        root = tmp_path / "tree"
        git(tmp_path / "main", "worktree", "add", str(root))
    else:
        root = tmp_path / "whole" / "part"
        git(tmp_path, "init", "--quiet", "whole")
        git(tmp_path / "whole", "submodule", "--quiet", "add", str(tmp_path / "main"), "part")
    init_workspace(root, docs, None)
    snapshot_and_commit(Workspace(root))
    assert git(root, "log", "--format=%s, %an").splitlines() == ["Refresh the knowledge, lorag", "first, Kim"]


def test_the_inside_of_a_bare_repository_is_no_place(home: Path, docs: Path, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "--bare", "bare")
    with pytest.raises(WorkspaceError, match="a bare git repository"):
        init_workspace(tmp_path / "bare", docs, None)
    assert not (tmp_path / "bare" / "params.yaml").exists()
