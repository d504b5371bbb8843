"""The audit log of a workspace: who changed what is served or who may read, and when, in a chain of hashes.

Somebody who may write in the workspace can write the whole log anew. What is found is a line that was changed, moved or
taken out by hand, or a release that is served and that no line names.
"""

import fcntl
import getpass
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from lorag.digests import sha256_hex
from lorag.errors import IntegrityFailed
from lorag.failpoints import reach
from lorag.releases.durable import naming, sync_path, write_json_durably

AUDIT = "audit.jsonl"
"""The name of the log in the state folder of a workspace."""

HEAD = "audit_head.json"
"""The name of the file that holds the number of lines and the hash of the last one."""

_FIRST = "0" * 64
_DO = "keep a copy, and find out who changed it; remove both files to begin a new one"


class Action(StrEnum):
    """What was done. `serve` moves the pointer to a release: by a refresh, a retrain, a rollback, or to mend it."""

    SERVE = "serve"
    FORGET = "forget"
    BACK_UP = "back_up"
    RESTORE = "restore"
    ADD_KEY = "add_key"
    REMOVE_KEY = "remove_key"
    APPROVE = "approve"


def note_action(state: Path, action: Action, **details: str | None) -> None:
    """Add a line to the log in the folder `state`; it is on the disk when this returns.

    `details` are names and ids, never text of a document or of a question. Several processes may do so at once.
    """
    state.mkdir(parents=True, exist_ok=True)
    with naming(state / AUDIT), _only_one(state / AUDIT) as descriptor:
        whole = _whole_part(descriptor)
        lines = whole.splitlines()
        line = json.dumps(
            {
                "n": len(lines) + 1,
                "utc": datetime.now(UTC).isoformat(timespec="seconds"),
                "user": _user(),
                "action": action,
                **details,
                "previous": sha256_hex(lines[-1]) if lines else _FIRST,
            },
            sort_keys=True,
        ).encode()
        # A killed process may have left half a line, which says nothing.
        os.ftruncate(descriptor, len(whole))
        os.pwrite(descriptor, line + b"\n", len(whole))
        os.fsync(descriptor)
        if not lines:
            sync_path(state)
        reach("audit.appended")
        write_json_durably(state / HEAD, {"n": len(lines) + 1, "sha256": sha256_hex(line)})


def read_audit(state: Path) -> list[dict[str, Any]]:
    """Return the lines of the log, oldest first, none if nothing was noted yet; raises IntegrityFailed if it is broken.

    A line after the one that the head names is one whose writer was killed: it counts if the chain holds.
    """
    file = state / AUDIT
    try:
        lines = _complete(file.read_bytes()).splitlines()
    except FileNotFoundError:
        lines = []
    except OSError as error:
        raise IntegrityFailed(f"the audit log cannot be read: {error}", where=str(file), do=_DO) from error
    previous, found = _FIRST, []
    for n, line in enumerate(lines, start=1):
        try:
            value = json.loads(line)
            holds = (value["n"], value["previous"]) == (n, previous)
        except (ValueError, KeyError, TypeError):
            holds = False
        if not holds:
            raise IntegrityFailed("a line was changed, moved or taken out", where=f"{AUDIT}:{n}", do=_DO)
        found.append(value)
        previous = sha256_hex(line)
    _compare_with_head(state, lines)
    return found


def _compare_with_head(state: Path, lines: list[bytes]) -> None:
    try:
        head = json.loads((state / HEAD).read_text(encoding="utf-8"))
        n, sha256 = int(head["n"]), str(head["sha256"])
    except FileNotFoundError:
        # The writer of the first line may have been killed before the head was there.
        n, sha256 = (0, "") if len(lines) < 2 else (-1, "")
    except (OSError, ValueError, KeyError, TypeError):
        n, sha256 = -1, ""
    if n < 0:
        raise IntegrityFailed("the head of the audit log is damaged or gone", where=HEAD, do=_DO)
    if n > len(lines) or (n and sha256_hex(lines[n - 1]) != sha256):
        raise IntegrityFailed(f"{n} lines were written, and not these {len(lines)}", where=AUDIT, do=_DO)


@contextmanager
def _only_one(file: Path) -> Iterator[int]:
    """Yield the open file while no other process writes to it."""
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _whole_part(descriptor: int) -> bytes:
    return _complete(os.pread(descriptor, os.fstat(descriptor).st_size, 0))


def _complete(content: bytes) -> bytes:
    """Return the content without what follows its last line end."""
    return content[: content.rfind(b"\n") + 1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())
