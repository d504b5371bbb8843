"""What needs no torch runs without it, and what does says which extra brings it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lorag.extras import explain_missing
from lorag.use_cases.upgrade_workspace import upgrade_workspace
from tests.earlier import unpack_workspace

BLOCKED = [
    *"bitsandbytes optuna peft sentence_transformers torch transformers weaviate".split(),
    # Half a second of generated code for a remote service, which nothing here calls.
    "lance_namespace_urllib3_client.api",
]
# None in place of a module makes every import of it fail, as where the package is not installed.
BLOCK = f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r})); "


def _run(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"LORAG_HOME": str(home), "PATH": str(Path(sys.executable).parent), "HOME": str(home)}
    return subprocess.run([sys.executable, "-c", BLOCK + code], env=environment, capture_output=True, text=True)


def test_the_embedder_is_converted_and_embeds_without_torch(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from lorag.params_file import load_params; "
        "from lorag.integrations.models.embedders import open_embedder; "
        f"params = load_params(Path({str(Path(__file__).parents[1] / 'params.yaml')!r})); "
        "texts = ['the depth of berth 4', 'berth 4 is 7 m deep', 'tea']; "
        "vectors = open_embedder(params.embedding).embed_batch(texts); "
        "print(vectors.shape, vectors[0] @ vectors[1] > vectors[0] @ vectors[2])"
    )
    done = _run(code, tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, "(3, 384) True"), done.stderr


def test_the_flows_of_a_comparison_and_a_refresh_are_imported_without_torch(tmp_path: Path) -> None:
    code = (
        "import flows.compare_strategies, flows.refresh_index, lorag.use_cases.serve.answer; "
        "from lorag.integrations.models.generators import open_generator; print('imported')"
    )
    done = _run(code, tmp_path)
    assert (done.returncode, done.stdout.strip().splitlines()[-1:]) == (0, ["imported"]), done.stderr


def test_questions_are_answered_without_torch_from_passages_and_by_an_adapter(tmp_path: Path) -> None:
    workspace = unpack_workspace(tmp_path)
    upgrade_workspace(workspace)
    code = (
        f"import os; os.chdir({str(workspace.root)!r}); from lorag.cli import run; "
        "sys.exit(run(['ask', 'How deep is berth 4?', '--strategy', 'rag', '--json']) "
        "or run(['ask', 'How deep is berth 4?', '--strategy', 'tuned', '--json']))"
    )
    done = _run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    rag, tuned = (json.loads(line) for line in done.stdout.splitlines() if line.startswith("{"))
    assert rag["citations"] and rag["answer"] != tuned["answer"]


def test_a_command_that_needs_torch_names_the_extra(tmp_path: Path) -> None:
    code = "from lorag.cli import run; sys.exit(run(['search-params', '--minutes', '1']))"
    done = _run(code, tmp_path)
    assert done.returncode == 2, done.stderr
    assert "lorag[train]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("package", "extra"),
    [("torch.nn", "train"), ("weaviate", "weaviate"), ("dask.distributed", "clusters"), ("numpy", None)],
)
def test_a_missing_package_names_its_extra(package: str, extra: str | None) -> None:
    error = explain_missing(ModuleNotFoundError(f"No module named {package!r}", name=package))
    assert (error is None) if extra is None else (error is not None and f"lorag[{extra}]" in str(error))
