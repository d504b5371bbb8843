"""The backups that lorag knows of: what was forgotten after they were made is in them, until their term."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lorag.releases.durable import sync_path
from lorag.releases.forgotten import Entry, read_forgotten
from lorag.use_cases.serve.query_log import append_line, read_lines
from lorag.workspace import Workspace

KEEP_DAYS = 30
"""So many days after it was made, a backup that may hold a forgotten document is deleted."""

SEAL = 64
"""The length of a backup's last bytes: the sha256 of all before them."""

_FILE = "backups.jsonl"


@dataclass(frozen=True, slots=True)
class KnownBackup:
    """A backup that is where it was made."""

    archive: Path
    made_utc: str

    @property
    def ends_utc(self) -> str:
        """Return the time from which it may be deleted."""
        return (datetime.fromisoformat(self.made_utc) + timedelta(days=KEEP_DAYS)).isoformat(timespec="seconds")


def note_backup(workspace: Workspace, archive: Path, made_utc: str, partial: Path, without: Collection[str]) -> None:
    """Remember a backup that is whole in the file `partial` and is about to get its name, `archive`.

    `without` are the salts of the ledger's entries whose documents it does not hold, because they were erased before.
    """
    entry = {"archive": str(archive), "made_utc": made_utc, "seal": _seal(partial), "without": sorted(without)}
    file = workspace.state / _FILE
    append_line(file, entry)
    sync_path(file)
    sync_path(file.parent)


def backups_with_forgotten(workspace: Workspace) -> list[KnownBackup]:
    """Return the known backups that were made before a document was forgotten, so that they may hold it."""
    entries = read_forgotten(workspace.state).entries
    found = {
        line["archive"]: KnownBackup(Path(line["archive"]), line["made_utc"])
        for line in read_lines(workspace.state / _FILE)
        # Another file may have taken its place.
        if any(_may_hold(line, entry) for entry in entries) and _seal(Path(line["archive"])) == line["seal"]
    }
    return list(found.values())


def _may_hold(line: Mapping[str, Any], entry: Entry) -> bool:
    if "without" in line:
        return entry.salt not in line["without"]
    # Earlier versions noted the time alone, and the clock may have been set back since.
    made_utc: str = line["made_utc"]
    return made_utc <= entry.forgotten_utc


def drop_expired(workspace: Workspace) -> list[Path]:
    """Delete the backups that may hold a forgotten document and are past their term; return their places."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    expired = [backup.archive for backup in backups_with_forgotten(workspace) if backup.ends_utc <= now]
    for archive in expired:
        archive.unlink(missing_ok=True)
    return expired


def _seal(archive: Path) -> str | None:
    """Return the digest in the last bytes of a backup; None if it is not there."""
    try:
        with archive.open("rb") as file:
            file.seek(-SEAL, os.SEEK_END)
            return file.read().decode("ascii", "replace")
    except OSError:
        return None
