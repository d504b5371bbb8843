"""The file of drafts on disk: drafting appends to it while a review may rewrite it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from lorag.drafting.records import Draft, draft_line, read_drafts
from lorag.errors import Busy
from lorag.releases.durable import naming, replace_durably
from lorag.workspace import Workspace

_WAIT_S = 10


@dataclass(frozen=True, slots=True)
class DraftsFile:
    """A drafts file, and the lock that whoever changes it holds for that moment."""

    path: Path
    lock: Path

    @classmethod
    def of(cls, workspace: Workspace, path: Path | None) -> "DraftsFile":
        """Return the named file, or drafts.jsonl in the workspace."""
        return cls(path or workspace.root / "drafts.jsonl", workspace.state / "drafts.lock")

    def read(self) -> list[Draft]:
        """Return the drafts; none if there is no file; raises as `read_drafts`."""
        return read_drafts(self.path) if self.path.exists() else []

    def append(self, draft: Draft) -> None:
        """Add a draft; once this returns, it survives a power failure."""
        with self.locked(), naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(draft_line(draft))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def changing(self) -> Iterator[list[Draft]]:
        """Yield the drafts to change in place, and write them at the end; nobody else writes meanwhile."""
        with self.locked():
            drafts = self.read()
            before = tuple(drafts)
            yield drafts
            if tuple(drafts) != before:
                self._write(drafts)

    def _write(self, drafts: Sequence[Draft]) -> None:
        replace_durably(self.path, "".join(draft_line(draft) for draft in drafts))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of this file and of the questions file; raises Busy if another process does so for long."""
        self.lock.parent.mkdir(parents=True, exist_ok=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.lock)
        try:
            lock.acquire(timeout=_WAIT_S, poll_interval=0.05)
        except Timeout:
            raise Busy(
                "another process is writing drafts", where=str(self.path), do="wait until it ends, then run this again"
            ) from None
        try:
            yield
        finally:
            lock.release()
