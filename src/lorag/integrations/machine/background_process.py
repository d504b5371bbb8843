"""Processes that outlive the command that starts them; a record identifies each, even if its pid is used again."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from lorag.errors import StoreFailed
from lorag.releases.durable import write_json_durably

STOP_S = 30
"""The time that a process has to end by itself; then it is killed."""
SAME_START_S = 1.0
"""Two readings of one process's start differ by less than this."""
SHOWN_CHARS = 600


@dataclass(frozen=True, slots=True)
class Background:
    """A process in the background; `started_s` is when it began, in seconds since the machine was started."""

    name: str
    pid: int
    started_s: float
    address: str | None


@dataclass(frozen=True, slots=True)
class BackgroundShelf:
    """A folder with a record of each process that was started, `<name>.json`, and with its output, `<name>.log`."""

    folder: Path

    def log_file(self, name: str) -> Path:
        """Return the file that the process writes to; each start appends to it."""
        return self.folder / f"{name}.log"

    def find(self, name: str) -> Background | None:
        """Return the process of that name if it runs; the record of one that does not counts as no record."""
        try:
            found = Background(**json.loads(self._record(name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        return found if _process_of(found) else None

    def is_recorded(self, name: str) -> bool:
        """Return whether a process of that name was started and not stopped, whether or not it still runs."""
        return self._record(name).is_file()

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        working_folder: Path,
        address: str | None = None,
    ) -> Background:
        """Start a process in a session of its own; the caller made sure that none of that name runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file(name).open("ab") as log:
            process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=working_folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            started_s = _started_s(psutil.Process(process.pid))
        except psutil.NoSuchProcess:
            raise self.failed(name) from None
        background = Background(name, process.pid, started_s, address)
        write_json_durably(self._record(name), asdict(background))
        return background

    def stop(self, name: str) -> bool:
        """End the process of that name with all of its children; return False if none ran."""
        found = self.find(name)
        process = _process_of(found) if found else None
        if process is not None:
            _end(process)
        self.end_leftovers(name)
        self._record(name).unlink(missing_ok=True)
        return process is not None

    def end_leftovers(self, name: str) -> None:
        """End what a process of that name has started and left behind: a killed one takes no child with it.

        Its children are in its session, whose number the system gives to no other one as long as they run.
        """
        try:
            record = Background(**json.loads(self._record(name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return
        if psutil.pid_exists(record.pid):
            return
        left = [process for process in psutil.process_iter() if _session_of(process) == record.pid]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=STOP_S)

    def failed(self, name: str) -> StoreFailed:
        """Return the error for a process that ended unexpectedly, with its last output."""
        log = self.log_file(name)
        said = log.read_text(encoding="utf-8", errors="replace")[-SHOWN_CHARS:] if log.is_file() else ""
        return StoreFailed(f"{name} has ended: {said.strip() or 'no output'}", where=str(log), do="read its log")

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _process_of(record: Background) -> psutil.Process | None:
    """Return the recorded process; None if it has ended, even if another process has its pid by now."""
    try:
        process = psutil.Process(record.pid)
        if abs(_started_s(process) - record.started_s) > SAME_START_S:
            return None
        return None if process.status() == psutil.STATUS_ZOMBIE else process
    except psutil.NoSuchProcess:
        return None


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except (ProcessLookupError, PermissionError):
        return None


def _started_s(process: psutil.Process) -> float:
    # Since boot: with times of day, a process from before the clock was set would not match its record.
    return process.create_time() - psutil.boot_time()


def _end(process: psutil.Process) -> None:
    # Listed first: once the parent has ended, its children can no longer be found.
    tree = [process]
    try:
        tree += process.children(recursive=True)
        process.terminate()
    except psutil.NoSuchProcess:
        pass
    psutil.wait_procs(tree[:1], timeout=STOP_S)
    for one in tree:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(tree, timeout=STOP_S)
