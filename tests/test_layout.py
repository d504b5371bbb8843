import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

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


def test_the_hooks_before_a_commit_are_lines_of_make_lint() -> None:
    hooks = YAML(typ="safe").load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in lint.splitlines()[1:]]
    assert [repo["repo"] for repo in hooks] == ["local"], "nothing is downloaded"
    assert {hook["language"] for hook in hooks[0]["hooks"]} == {"system"}
    assert [hook["entry"] for hook in hooks[0]["hooks"]] == commands[: len(hooks[0]["hooks"])]
