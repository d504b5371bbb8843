"""The artifacts of a workspace travel through a bucket by plain DVC, as docs/cluster.md says."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import servers

pytestmark = [pytest.mark.slow, pytest.mark.full]


def run(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, cwd=folder, env={**os.environ, **environment, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stdout} {done.stderr}"
    return done.stdout


def contents(folder: Path) -> dict[str, str]:
    """The digest of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".gitignore")
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_clone_pulls_the_same_artifacts_from_the_bucket(bucket: Mapping[str, str], tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "pier.md").write_text("# Pier\n\nThe lamp of the pier is lit at 8:30 in the evening.\n")
    run("lorag init w --source docs", tmp_path, bucket)
    made = tmp_path / "w"
    run("lorag refresh", made, bucket)
    for command in (
        f"dvc remote add --default bucket s3://{servers.BUCKET}/dvc",
        "git add --all && git commit --quiet --message 'The first index'",
        "dvc push",
    ):
        run(
            command,
            made,
            {
                **bucket,
                "GIT_AUTHOR_NAME": "a",
                "GIT_AUTHOR_EMAIL": "a@example.org",
                "GIT_COMMITTER_NAME": "a",
                "GIT_COMMITTER_EMAIL": "a@example.org",
            },
        )
    # Whoever clones it is on another machine, where the first one's cache does not exist.
    (made / ".dvc" / "cache").rename(tmp_path / "gone")
    run(f"git clone --quiet {made} clone", tmp_path, bucket)
    run("dvc pull --allow-missing", tmp_path / "clone", bucket)

    pulled = contents(tmp_path / "clone" / "artifacts")
    assert {"documents.jsonl", "chunks.jsonl", "embeddings.safetensors"} <= pulled.keys()
    assert pulled == {name: digest for name, digest in contents(made / "artifacts").items() if name in pulled}
    assert contents(tmp_path / "clone" / "data") == contents(made / "data")
    assert "up to date" in run("dvc status documents chunks embeddings", tmp_path / "clone", bucket)
