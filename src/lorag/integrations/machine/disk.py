"""The free space of the disk that a workspace is on, and one line for all the ways in which a limit shows.

The limits are a full disk and too many open files: each library that meets one says it with an error of its own.
"""

import errno
import resource
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from lorag.errors import LoragError, StoreFailed

NEEDED_BYTES = 64_000_000
"""What an update needs at least, besides another copy of what it writes: databases of a run, logs, a generation."""

FULL_BYTES = 4_000_000
"""Below this nothing can be relied on: databases report other errors than a full disk."""

_SIGNS = ("No space left", "disk is full", "Disk quota exceeded")
_FILES_SIGN = "Too many open files"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
"""The numbers of the errors of a full disk."""

_NO_FILES = (errno.EMFILE, errno.ENFILE)


def free_bytes(folder: Path) -> int:
    """Return how much may be written on the disk of `folder`, which need not exist yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def require_space(folder: Path, outputs: Iterable[Path] = ()) -> None:
    """Raise StoreFailed if an update in `folder` would fill the disk; `outputs` are files that it writes again."""
    needed = NEEDED_BYTES + sum(path.stat().st_size for path in outputs if path.is_file())
    if free_bytes(folder) < needed:
        raise _no_space(folder, needed)


def explain_limits(error: Exception, folder: Path) -> StoreFailed | None:
    """Return the error for a full disk or too many open files if `error` comes from one; None otherwise."""
    if _is_of(error, _NO_FILES, (_FILES_SIGN,)):
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        what = f"too many open files: at most {most:,} at a time are allowed"
        return StoreFailed(
            what, do="raise the limit (`ulimit -n`), then run this again; the served release stays in use"
        )
    if isinstance(error, LoragError) and not isinstance(error, StoreFailed) and type(error) is not LoragError:
        return None
    is_full = _is_of(error, NO_SPACE, _SIGNS) or free_bytes(folder) < FULL_BYTES
    return _no_space(folder, NEEDED_BYTES) if is_full else None


def _is_of(error: Exception, numbers: Collection[int], signs: Collection[str]) -> bool:
    return any(
        (isinstance(each, OSError) and each.errno in numbers) or any(sign in str(each) for sign in signs)
        for each in _with_causes(error)
    )


def _no_space(folder: Path, needed: int) -> StoreFailed:
    return StoreFailed(
        f"no space left on the disk: {free_bytes(folder) / 1e6:.1f} MB free, at least {needed / 1e6:.0f} MB needed",
        where=str(folder.absolute()),
        do="free disk space, then run this again; the served release stays in use",
    )


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
