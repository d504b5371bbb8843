"""Copies a source into the workspace, so that DVC can version it and a run reads one state of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from lorag.errors import InputRejected
from lorag.integrations.parsing.source_folder import REJECTED_FILE, SourceListing, list_source, read_file
from lorag.knowledge.artifacts import write_rejected
from lorag.knowledge.documents import Reason, Rejected
from lorag.knowledge.formats import Quarantine
from lorag.params import KnowledgeParams

MAX_NAME_BYTES = 255


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How many files the copy gained or got anew, and lost."""

    copied: int
    deleted: int


def snapshot_folder(origin: Path, target: Path, params: KnowledgeParams, *, allow_empty: bool = False) -> Snapshot:
    """Makes `target` a copy of all that can be read below `origin`, under the names that documents are known by.

    Files that did not change are not touched. Raises InputRejected where the origin is missing or, unless
    `allow_empty`, holds nothing that can be read, and then leaves the copy as it was.
    """
    listing = list_source(origin, max_file_bytes=params.max_file_bytes)
    if not listing.files and not allow_empty:
        raise InputRejected(
            "nothing to index",
            where=str(origin),
            do="add documents, name another source, or serve an empty index with --allow-shrink",
        )
    target.mkdir(parents=True, exist_ok=True)
    copied, rejected = _copy_files(listing, target, params.max_file_bytes)
    deleted = _delete_others(target, {file.id for file in listing.files})
    write_rejected(target / REJECTED_FILE, [*listing.rejected, *rejected])
    return Snapshot(copied, deleted)


def snapshot_file(origin: Path, target: Path) -> Snapshot:
    """Makes `target` a copy of the file `origin`; raises InputRejected where that is missing."""
    if not origin.is_file():
        raise InputRejected("no such file", where=str(origin), do="check the path in params.yaml")
    return Snapshot(int(_replace(target, origin.read_bytes())), 0)


def _copy_files(listing: SourceListing, target: Path, max_file_bytes: int) -> tuple[int, list[Rejected]]:
    copied, rejected = 0, []
    for file in listing.files:
        path = target / file.id
        try:
            if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
                raise Quarantine(Reason.UNREADABLE, "a name too long to be kept")
            copied += _replace(path, read_file(listing.root, file, max_file_bytes=max_file_bytes))
        except Quarantine as verdict:
            rejected.append(Rejected(file.id, verdict.reason, verdict.detail))
            path.unlink(missing_ok=True)
    return copied, rejected


def _replace(path: Path, data: bytes) -> bool:
    """Whether the file had to be written."""
    if path.is_file() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / ".snapshot.tmp"
    temporary.write_bytes(data)
    temporary.replace(path)
    return True


def _delete_others(target: Path, wanted: set[str]) -> int:
    deleted = 0
    for path in sorted(target.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.name != REJECTED_FILE and path.relative_to(target).as_posix() not in wanted:
            path.unlink()
            deleted += 1
    return deleted
