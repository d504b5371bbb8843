"""Folders of converted models, made once for all workspaces of the user and checked against their manifest."""

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from platformdirs import user_cache_path

from lorag.errors import IntegrityFailed, StoreFailed
from lorag.releases.durable import sync_path, write_json_durably

MANIFEST = "manifest.json"


def home_folder() -> Path:
    """Return the folder for converted models: LORAG_HOME, else the user's cache folder."""
    named = os.environ.get("LORAG_HOME")
    return Path(named).expanduser().absolute() if named else user_cache_path("lorag")


def keep_folder(folder: Path, build: Callable[[Path], None]) -> Path:
    """Return `folder`, which `build` fills by writing into the folder it is given; it is built once, and others wait.

    A build that breaks off leaves nothing that looks complete: the files are fsynced, the manifest is written last, and
    a rename makes the folder appear at once. If the folder is already there, names and sizes are checked; see
    `verify_folder` for every byte.
    """
    try:
        if not (folder / MANIFEST).exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f".{folder.name}.lock")):
                if not (folder / MANIFEST).exists():
                    _build_aside(folder, build)
    except OSError as error:
        raise StoreFailed(
            f"cannot keep what is made once for this machine: {error}",
            where=str(folder),
            do="free disk space, or set LORAG_HOME to a folder that can be written",
        ) from error
    _check_sizes(folder)
    return folder


def prune_folders(parent: Path, n_kept: int, *, keep: Path) -> None:
    """Delete all but the `n_kept` most recently used folders below `parent`; `keep` counts as used now.

    A process that has one of the others open goes on reading it.
    """
    with contextlib.suppress(OSError):
        (keep / MANIFEST).touch()
        manifests = sorted(parent.glob(f"*/{MANIFEST}"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for manifest in manifests[n_kept:]:
            shutil.rmtree(manifest.parent, ignore_errors=True)


def verify_folder(folder: Path) -> None:
    """Compare every byte with the manifest; raises IntegrityFailed with the name of the first file that differs."""
    _check_sizes(folder)
    for name, entry in _read_manifest(folder).items():
        if file_sha256(folder / name) != entry["sha256"]:
            raise _damaged(folder, name, "its sha256 is not that of the manifest")


def converted_folders() -> list[Path]:
    """Return all folders that `keep_folder` keeps for this user."""
    return sorted(manifest.parent for manifest in home_folder().rglob(MANIFEST))


def file_sha256(path: Path) -> str:
    """Return the lower-case hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _build_aside(folder: Path, build: Callable[[Path], None]) -> None:
    # One name for all attempts: the one that holds the lock removes what a killed one left.
    temporary = folder.with_name(f".{folder.name}.partial")
    for leftover in (temporary, folder):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir()
    try:
        build(temporary)
        files = sorted(path for path in temporary.rglob("*") if path.is_file())
        for path in files:
            sync_path(path)
        manifest = {
            path.relative_to(temporary).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
            for path in files
        }
        write_json_durably(temporary / MANIFEST, manifest)
        temporary.rename(folder)
        sync_path(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_sizes(folder: Path) -> None:
    for name, entry in _read_manifest(folder).items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            raise _damaged(folder, name, "missing" if size is None else f"{size} bytes, {entry['bytes']} expected")


def _read_manifest(folder: Path) -> dict[str, dict[str, str | int]]:
    try:
        manifest: dict[str, dict[str, str | int]] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if not manifest or not all({"bytes", "sha256"} <= entry.keys() for entry in manifest.values()):
            raise ValueError("no sizes and digests in it")
    except (OSError, ValueError, AttributeError) as error:
        raise _damaged(folder, MANIFEST, str(error)) from error
    return manifest


def _damaged(folder: Path, name: str, detail: str) -> IntegrityFailed:
    return IntegrityFailed(
        f"damaged model file {name}: {detail}", where=str(folder), do="delete that folder; the model is converted again"
    )
