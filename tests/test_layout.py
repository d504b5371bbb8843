import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
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


UNSAFE_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle"}
UNSAFE_CALLS = {"eval", "exec", "compile", "torch.load", "numpy.load", "np.load", "yaml.unsafe_load"}


UNSAFE_SETTINGS: dict[str | None, object] = {
    "trust_remote_code": True,
    "allow_pickle": True,
    "weights_only": False,
    "use_safetensors": False,
    "typ": "unsafe",
}


def test_the_sources_neither_unpickle_nor_evaluate_what_they_read() -> None:
    """S8: models are safetensors, and results are JSON."""
    files = [path for folder in ("src", "flows") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    assert {(path.name, found) for path in files for found in unsafe(path.read_text(encoding="utf-8"))} == set()


@pytest.mark.parametrize(
    "line",
    [
        *("import pickle", "from joblib import load", "torch.load(x)", "np.load(x)", "eval(x)", "YAML(typ='unsafe')"),
        *("m(trust_remote_code=True)", "m(weights_only=False)", "m(use_safetensors=False)", "m(allow_pickle=True)"),
    ],
)
def test_the_look_at_the_sources_finds_each_kind(line: str) -> None:
    assert len(list(unsafe(line))) == 1


@pytest.mark.parametrize("line", ["re.compile(x)", "model.eval()", "m(trust_remote_code=False, typ='safe', tab=None)"])
def test_the_look_at_the_sources_finds_nothing_else(line: str) -> None:
    assert list(unsafe(line)) == []


def unsafe(code: str) -> Iterator[str]:
    """What reads or runs code out of data: modules, calls, and settings that allow it."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (name for name in names if name.partition(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.Call):
            yield from (called for called in [ast.unparse(node.func)] if called in UNSAFE_CALLS)
            for given in node.keywords:
                if isinstance(given.value, ast.Constant) and given.value.value == UNSAFE_SETTINGS.get(given.arg, ...):
                    yield f"{given.arg}={given.value.value}"
