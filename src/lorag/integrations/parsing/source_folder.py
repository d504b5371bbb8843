"""Listing and reading of a source folder: it never leaves the folder, never blocks, and allows for changing files."""

import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lorag.errors import InputRejected
from lorag.knowledge.documents import Reason, Rejected
from lorag.knowledge.formats import Quarantine, format_of

_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OPEN_FOLDER = os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY | os.O_CLOEXEC
_READ_BYTES = 1 << 20

REJECTED_FILE = ".rejected.jsonl"
"""The list, in a copy of a source, of what could not be copied and why; so it is versioned and in every report."""

_PASSED_OVER = (".", "~$")
"""The beginnings of names that are passed over: hidden files, and the locks of documents that are open in Office."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that may be read: its id (the escaped relative path), its format and the place of its bytes.

    `parts` are the path components from the root to the bytes, with links resolved.
    """

    id: str
    kind: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceListing:
    """The files and the rejected entries of a source, both sorted by name; `parts` of files are relative to `root`."""

    root: Path
    files: tuple[SourceFile, ...]
    rejected: tuple[Rejected, ...]


def escape_name(name: str) -> str:
    r"""Return `name` as printable, unambiguous text: `\n` becomes `\x0a`, a byte that is not UTF-8 `\udcff`."""
    return _escape_unprintable(name.replace("\\", "\\\\"))


def list_source(source: Path, *, max_file_bytes: int) -> SourceListing:
    """List every file below `source`, or `source` itself if it is one `documents.jsonl`; no file is opened.

    A copy of a source, which has a `REJECTED_FILE`, gives the same ids as the source. Names that begin with a dot are
    skipped. Links are followed only to files inside the source; a link to a folder inside it is skipped, because the
    folder is listed anyway. Raises InputRejected if there is no such folder.
    """
    places: list[tuple[str, ...]]
    try:
        root = source.resolve(strict=True)
    except (OSError, RuntimeError):
        raise InputRejected(
            "no such source",
            where=str(source),
            do="put it back, or name another in params.yaml: `knowledge.origin`, or `knowledge.source` without one",
        ) from None
    if root.is_file() and format_of(root.name):
        root, places = root.parent, [(root.name,)]
    elif root.is_dir():
        places = list(_walk(root))
    else:
        raise InputRejected(
            "the source is neither a folder nor a file that can be read", where=str(source), do="name a folder"
        )
    # The files of a copy have their ids as names: a second escape would change the ids.
    name_of = _escape_unprintable if (root / REJECTED_FILE).is_file() else escape_name
    found = [_classify(root, parts, name_of("/".join(parts)), max_file_bytes) for parts in places]
    files = sorted((item for item in found if isinstance(item, SourceFile)), key=lambda file: file.id)
    rejected = sorted((item for item in found if isinstance(item, Rejected)), key=lambda item: item.name)
    return SourceListing(root, tuple(files), tuple(rejected))


def list_files(root: Path, names: Iterable[str], *, max_file_bytes: int) -> SourceListing:
    """List only the files of these names below the folder `root`, which is resolved; the others are not looked at.

    A name with an escape in it belongs to a file of another name, so it is left out; so is one that leaves the folder.
    """
    wanted = [name for name in sorted(set(names)) if "\\" not in name and ".." not in name.split("/")]
    found = [_classify(root, tuple(name.split("/")), name, max_file_bytes) for name in wanted]
    return SourceListing(
        root,
        tuple(item for item in found if isinstance(item, SourceFile)),
        tuple(item for item in found if isinstance(item, Rejected)),
    )


def read_file(root: Path, file: SourceFile, *, max_file_bytes: int) -> bytes:
    """Return the bytes of a listed file; read it at most twice if it changes meanwhile.

    Every folder of the path is opened without following links, so a link that is swapped in after the listing has no
    effect. Raises Quarantine: `changed_during_read`, `unreadable`, `too_large`, `not_regular`.
    """
    try:
        return _read_once(root, file.parts, max_file_bytes)
    except _Changed:
        pass
    try:
        return _read_once(root, file.parts, max_file_bytes)
    except _Changed as change:
        raise Quarantine(Reason.CHANGED_DURING_READ, str(change)) from None


class _Changed(Exception):
    """The file changed while it was read."""


def _walk(root: Path) -> Iterator[tuple[str, ...]]:
    """Yield the parts of everything below `root` that is not a folder, and of folders that cannot be listed."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        try:
            with os.scandir(root.joinpath(*parts)) as entries:
                listed = [entry for entry in entries if not entry.name.startswith(_PASSED_OVER)]
        except OSError:
            yield parts
            continue
        for entry in listed:
            below = (*parts, entry.name)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(below)
            elif not _repeats_listed_folder(root, below):
                yield below


def _repeats_listed_folder(root: Path, parts: tuple[str, ...]) -> bool:
    """Return whether this is a link to a folder of the source, other than a folder that contains the link."""
    path = root.joinpath(*parts)
    if not path.is_symlink() or not path.is_dir():
        return False
    target = Path(os.path.realpath(path))
    inside = target.is_relative_to(root)
    return inside and not path.parent.resolve().is_relative_to(target)


def _classify(root: Path, parts: tuple[str, ...], name: str, max_file_bytes: int) -> SourceFile | Rejected:
    try:
        real, status = _locate(root, parts)
        kind = format_of(parts[-1])
        if kind is None:
            raise Quarantine(Reason.UNSUPPORTED, "no format that is read")
        if status.st_size > max_file_bytes:
            raise Quarantine(Reason.TOO_LARGE, f"{status.st_size} bytes, at most {max_file_bytes} are read")
        if status.st_size == 0:
            raise Quarantine(Reason.EMPTY, "0 bytes")
    except Quarantine as verdict:
        return Rejected(name or ".", verdict.reason, verdict.detail)
    return SourceFile(name, kind, real)


def _locate(root: Path, parts: tuple[str, ...]) -> tuple[tuple[str, ...], os.stat_result]:
    """Return the place of the bytes, as parts below the root, and their status; raise Quarantine if it is unusable."""
    path = root.joinpath(*parts)
    try:
        status = path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Quarantine(Reason.SYMLINK_LOOP, "a link that leads to itself") from None
        detail = "a link to nothing" if path.is_symlink() else error.strerror or "cannot be read"
        raise Quarantine(Reason.UNREADABLE, detail) from None
    if stat.S_ISDIR(status.st_mode):
        raise _folder_verdict(root, path)
    if not stat.S_ISREG(status.st_mode):
        raise Quarantine(Reason.NOT_REGULAR, "a pipe, socket or device")
    if not path.is_symlink():
        return parts, status
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise Quarantine(Reason.OUTSIDE_ROOT, "a link that leaves the source")
    real = target.relative_to(root).parts
    if any(part.startswith(".") for part in real):
        raise Quarantine(Reason.OUTSIDE_ROOT, "a link to a hidden file")
    return real, status


def _folder_verdict(root: Path, path: Path) -> Quarantine:
    if not path.is_symlink():
        return Quarantine(Reason.UNREADABLE, "a folder that cannot be listed")
    if Path(os.path.realpath(path)).is_relative_to(root):
        return Quarantine(Reason.SYMLINK_LOOP, "a link to a folder that it lies in")
    return Quarantine(Reason.OUTSIDE_ROOT, "a link that leaves the source")


def _read_once(root: Path, parts: tuple[str, ...], max_file_bytes: int) -> bytes:
    try:
        descriptor = _open_below(root, parts)
    except OSError as error:
        raise _explain(error) from None
    with open(descriptor, "rb", buffering=0) as stream:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise Quarantine(Reason.NOT_REGULAR, "a pipe, socket or device")
        if before.st_size > max_file_bytes:
            raise Quarantine(Reason.TOO_LARGE, f"{before.st_size} bytes, at most {max_file_bytes} are read")
        try:
            # At once if possible: pieces of a large file would be in memory twice while they are joined.
            size = min(before.st_size, max_file_bytes) + 1
            data = b"".join(_pieces(lambda n: stream.read(max(n, size)), max_file_bytes + 1))
            after = os.stat(root.joinpath(*parts), follow_symlinks=False)
        except OSError as error:
            raise _explain(error) from None
    if _identity(before) != _identity(after) or len(data) != after.st_size:
        raise _Changed("written to while it was read; load it again when nothing writes to it")
    return data


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    folder = os.open(root, _OPEN_FOLDER)
    try:
        for part in parts[:-1]:
            below = os.open(part, _OPEN_FOLDER, dir_fd=folder)
            os.close(folder)
            folder = below
        return os.open(parts[-1], _OPEN_FILE, dir_fd=folder)
    finally:
        os.close(folder)


def _pieces(read: Callable[[int], bytes | None], limit: int) -> Iterator[bytes]:
    while limit > 0 and (piece := read(min(limit, _READ_BYTES))):
        limit -= len(piece)
        yield piece


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _explain(error: OSError) -> Exception:
    if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ESTALE):
        return _Changed("moved, removed or replaced by a link while it was read")
    return Quarantine(Reason.UNREADABLE, error.strerror or "cannot be read")


def _escape_unprintable(name: str) -> str:
    return name if name.isprintable() else "".join(_escape(character) for character in name)


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
