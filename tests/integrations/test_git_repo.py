"""A commit of a workspace holds the named paths that changed."""

import subprocess
from pathlib import Path

from lorag.integrations import git_repo


def test_a_folder_without_a_file_keeps_the_other_paths_from_no_commit(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "params.yaml").write_text("a: 1\n", encoding="utf-8")
    assert git_repo.commit(tmp_path, ["params.yaml", "reports/"], "First")
    assert not git_repo.commit(tmp_path, ["params.yaml", "reports/"], "Nothing changed")
    log = subprocess.run(["git", "log", "--format=%s"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert log.stdout.split("\n")[:-1] == ["First"]
