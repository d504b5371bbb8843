"""Where a workspace may be made, and where not."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lorag.cli import run
from lorag.errors import WorkspaceError
from lorag.integrations.dvc.dvc_repo import config_after_a_move
from lorag.params_file import load_params
from lorag.stages import run_stage
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.refresh.pending_work import skip_idle_refresh


def test_a_workspace_is_not_made_inside_another_one(tmp_path: Path) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    (source / "pier.md").write_text("# Pier\n\nThe lamp is lit at 8:30.\n")
    outer = init_workspace(tmp_path / "outer", source, None).root
    for inner in (outer / "inner", outer / "data" / "inner"):
        with pytest.raises(WorkspaceError, match="holds this folder") as refused:
            init_workspace(inner, source, None)
        assert str(outer) in refused.value.what and not inner.exists()
    assert init_workspace(outer / ".lorag" / "walk", source, None), "what git ignores is no part of it"


def test_a_path_that_is_not_ascii_or_has_signs_of_config_files_is_a_place_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nThe lamp is lit at 18:30.\n")
    root = init_workspace(tmp_path / "dócs, 100% #1" / "kéda", tmp_path / "docs", None).root
    code = "import sys; from dvc.repo import Repo; print(Repo(sys.argv[1]).config['remote']['workspace']['url'])"
    said = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True).stdout
    assert said.strip() == str(root / ".dvc" / "cache")
    moved = root.rename(root.with_name("schlüssel"))
    assert config_after_a_move(moved) is not None


def test_what_fails_leaves_no_half_of_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()

    def fail(root: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("lorag.use_cases.init_workspace.dvc_repo.init_dvc", fail)
    with pytest.raises(OSError, match="no space"):
        init_workspace(tmp_path / "w", tmp_path / "docs", None)
    assert not (tmp_path / "w").exists()


def test_a_workspace_is_for_its_owner_alone_and_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """S15: texts, vectors and adapters are in it."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nThe lamp is lit at 18:30.\n")
    made = init_workspace(tmp_path / "made", tmp_path / "docs", None)
    assert made.root.stat().st_mode & 0o777 == 0o700
    (tmp_path / "own").mkdir(mode=0o755)
    own = init_workspace(tmp_path / "own", tmp_path / "docs", None)
    firsts: list[Callable[[], object]] = [
        lambda: run_stage("versions", own.root),
        lambda: run(["--workspace", str(own.root), "keys", "add", "team"]),
        lambda: skip_idle_refresh(own, load_params(own.params_file), {}),
    ]
    for first in firsts:
        first()
        assert [path.stat().st_mode & 0o777 for path in (own.root, own.state)] == [0o755, 0o700]
        shutil.rmtree(own.state)
