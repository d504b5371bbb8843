"""Faults 7 and 9: a full disk is one line before the work begins, and ends work that is under way."""

import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors import SafetensorError

from lorag.cli import run
from lorag.errors import GateRefused, ParamsError, StoreFailed
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.machine.disk import explain_limits, free_bytes, require_space
from lorag.use_cases.init_workspace import init_workspace


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "lorag-test", str(folder)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a small tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def workspace(disk: Path, tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    for number in range(30):
        (tmp_path / "docs" / f"{number}.md").write_text(f"# Pier {number}\n\nThe lamp is lit at {number}:30.\n")
    return init_workspace(disk / "w", tmp_path / "docs", None).root


def fill(disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4_096)
    assert free_bytes(disk) == 0


def test_faults_7_free_space_is_looked_at_before_the_work(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in workspace.iterdir())
    for command in ("refresh", "compare"):
        assert run(["--workspace", str(workspace), command]) == 5
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and lines[0].startswith("error[E030] no space left on the disk: ")
        assert "MB free, at least 64 MB needed" in lines[0]
    assert sorted(path.name for path in workspace.iterdir()) in (before, sorted([*before, ".lorag"]))


def test_faults_7_every_error_of_a_full_disk_is_the_same_line(disk: Path) -> None:
    with BlobCache(disk / "cache.sqlite") as cache:
        fill(disk)
        with pytest.raises(StoreFailed) as failed:
            cache.put("parses", "key", b"x" * 1_000_000)
    for error in (failed.value, OSError(errno.ENOSPC, "No space left on device"), StoreFailed("Prefect is silent")):
        found = explain_limits(error, disk)
        assert found is not None and found.what.startswith("no space left on the disk: 0.0 MB free")
    assert explain_limits(GateRefused("recall"), disk) is None, "another reason stays"
    (disk / "filler").unlink()
    assert explain_limits(StoreFailed("Prefect is silent"), disk) is None
    with pytest.raises(StoreFailed, match="at least 64 MB"):
        require_space(disk)
    require_space(Path(os.sep))


def test_faults_9_a_disk_that_fills_up_ends_the_work_of_dvc_and_frees_its_locks(workspace: Path, disk: Path) -> None:
    source = workspace / "data" / "source"
    source.mkdir(parents=True)
    for number in range(30):
        (source / f"{number}.md").write_text(f"# Pier {number}\n\nThe lamp is lit at {number}:30.\n")
    fill(disk)
    # DVC would repeat a write into its database for ever.
    with pytest.raises(StoreFailed, match="DVC") as failed:
        dvc_repo.track(workspace, source)
    found = explain_limits(failed.value, disk)
    assert found is not None and "no space left" in found.what
    (disk / "filler").unlink()
    assert dvc_repo.track(workspace, source)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, "Too many open files", "/there/current.json"),
        ParamsError("cannot read params: [Errno 24] Too many open files", do="make it a readable UTF-8 file"),
        StoreFailed("LanceDB: Too many open files", do="free disk space"),
        SafetensorError("I/O error: Too many open files (os error 24)"),
    ],
)
def test_every_error_of_too_many_open_files_is_the_same_line(error: Exception, tmp_path: Path) -> None:
    found = explain_limits(error, tmp_path)
    assert found is not None and found.what.startswith("too many open files: at most ") and "ulimit -n" in found.do
