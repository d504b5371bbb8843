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


def test_a_deleted_file_and_a_name_with_other_letters_are_committed_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "reports").mkdir()
    for name in ("reports/old.json", "reports/größe \n.json", "other.txt"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    assert git_repo.commit(tmp_path, ["reports/"], "First")
    (tmp_path / "reports/old.json").unlink()
    subprocess.run(["git", "add", "other.txt"], cwd=tmp_path, check=True)
    assert git_repo.commit(tmp_path, ["reports/"], "Second")
    listed = subprocess.run(
        ["git", "ls-tree", "-rz", "--name-only", "HEAD"], cwd=tmp_path, check=True, capture_output=True
    )
    assert listed.stdout.decode() == "reports/größe \n.json\0"
