"""Copies a source folder into the workspace, so that DVC can version it and a run reads one state of it."""

import filecmp
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from lorag.errors import InputRejected


@dataclass(frozen=True, slots=True)
class Snapshot:
    """How many files the copy gained, lost or got anew."""

    copied: int
    deleted: int

    @property
    def is_unchanged(self) -> bool:
        """Whether the copy already was what the source is."""
        return self.copied == self.deleted == 0


def snapshot_file(origin: Path, target: Path) -> Snapshot:
    """Makes `target` a copy of the file `origin`; raises InputRejected where that is missing."""
    if not origin.is_file():
        raise InputRejected("no such file", where=str(origin), do="check the path in params.yaml")
    if target.is_file() and filecmp.cmp(origin, target, shallow=False):
        return Snapshot(0, 0)
    _copy(origin, target)
    return Snapshot(1, 0)


def _copy(origin: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.copyfile(origin, temporary)
    os.replace(temporary, target)
