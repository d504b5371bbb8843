"""A clean clone reproduces the digests of its commit, and then has nothing left to do."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lorag.integrations.dvc.dvc_repo import VERSIONS_STAGE
from lorag.use_cases.refresh.steps import INDEX_STAGES

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
DIGESTS = ("content_digest", "corpus_digest", "embedder_fingerprint", "n_chunks")


def reproduce(folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        # Adapters take minutes: what they do is tested with small ones.
        [sys.executable, "-m", "dvc", "repro", *INDEX_STAGES],
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stages(said: str) -> list[str]:
    return [line.split("'")[1] for line in said.splitlines() if line.startswith("Running stage")]


def test_a_clean_clone_gives_the_same_digests(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git clone, so there is no commit to reproduce")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    report = clone / "reports" / "index.json"
    committed = json.loads(report.read_text())
    report.unlink()
    assert "Running stage 'documents'" in reproduce(clone)
    made = json.loads(report.read_text())
    assert {key: made[key] for key in DIGESTS} == {key: committed[key] for key in DIGESTS}
    assert stages(reproduce(clone)) == [VERSIONS_STAGE]


@pytest.mark.full
def test_a_change_of_params_runs_only_what_it_touches(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a git clone, so there is no commit to reproduce")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    reproduce(clone)
    params = clone / "params.yaml"
    params.write_text(params.read_text().replace("rrf_k: 60", "rrf_k: 50"))
    assert stages(reproduce(clone)) == [VERSIONS_STAGE, "retrieval_evaluation"]
