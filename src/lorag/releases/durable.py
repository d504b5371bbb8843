"""Files that are whole or absent after a power failure."""

import json
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from lorag.errors import Busy
from lorag.failpoints import reach

_SYNCS_AT_ONCE = 8
"""A file system commits together what several threads wait for."""


def write_json_durably(path: Path, value: Any) -> None:
    """Replace `path` by the value as JSON; see `replace_durably`."""
    replace_durably(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False))


def replace_durably(path: Path, text: str) -> None:
    """Replace `path` atomically: temporary file, fsync, rename, fsync of the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    kind = _kind(path)
    with naming(path), open_new(temporary) as file:
        file.write(text.encode())
        file.flush()
        reach(f"{kind}.written")
        os.fsync(file.fileno())
    reach(f"{kind}.synced")
    temporary.replace(path)
    reach(f"{kind}.renamed")
    sync_path(path.parent)


def open_new(path: Path, permissions: int = 0o666) -> BinaryIO:
    """Open a file under a name that others may know, until it is whole and gets its own.

    It is a new file: what was there is removed, and a link that somebody left under this name is not followed.
    """
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, permissions), "w+b")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in an error of the operating system that names none, as those of a write and of fsync do.

    A full disk would be taken for one behind standard output otherwise.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _kind(path: Path) -> str:
    """Return the first word of the failpoints of a file."""
    if path.parent.name == "releases":
        return "record"
    return {"current.json": "pointer"}.get(path.name, path.stem.rpartition(".")[2])


def sync_path(path: Path) -> None:
    """Make a file's content, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(folder: Path) -> None:
    """Return once every file and folder below `folder`, and its own entry, is on the disk."""
    paths = [folder.parent]
    for parent, _, names in os.walk(folder):
        paths += [Path(parent), *(Path(parent, name) for name in names)]
    with ThreadPoolExecutor(_SYNCS_AT_ONCE) as pool:
        # Every result is read, so that none of the errors is lost.
        deque(pool.map(sync_path, paths), maxlen=0)


@contextmanager
def writer_lock(path: Path, *, wait_s: float = 0) -> Iterator[None]:
    """Hold the workspace's only write lock (`flock`, freed by the kernel if the process dies).

    Raises Busy if another process still holds it after `wait_s`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=wait_s, poll_interval=0.2)
    except Timeout:
        raise Busy(
            "another refresh, retrain or rollback is running",
            where=str(path),
            do="wait until it ends, then run this again",
        ) from None
    try:
        yield
    finally:
        lock.release()
