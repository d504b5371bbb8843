"""Copies of what is made once."""

import shutil
from pathlib import Path

from lorag.integrations.mlflow.moved import move_artifacts


def copy_workspace(made: Path, copy: Path) -> None:
    """Copy a folder with a workspace `w` and its source; the copy follows its own source."""
    shutil.copytree(made, copy, symlinks=True, dirs_exist_ok=True)
    for name in ("params.yaml", ".dvc/config"):
        path = copy / "w" / name
        path.write_text(path.read_text().replace(str(made), str(copy)))
    move_artifacts(copy / "w" / ".lorag" / "mlflow" / "mlflow.db", copy / "w")
