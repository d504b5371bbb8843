import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_mlflow_folder_is_no_package() -> None:
    assert (ROOT / "mlflow").is_dir()
    assert not list((ROOT / "mlflow").rglob("__init__.py")), "it would shadow the MLflow library"


def test_import_mlflow_in_the_repository_root_gives_the_library() -> None:
    code = "import importlib.util; print(importlib.util.find_spec('mlflow').origin)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    origin = Path(found.stdout.strip())
    assert origin.name == "__init__.py"
    assert origin.parent.parent != ROOT
    assert (origin.parent / "tracking").is_dir()
