"""Copies of a source in the workspace, so that DVC can version it and a run reads one state of it."""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from lorag.digests import sha256_hex
from lorag.errors import InputRejected, ParamsError
from lorag.failpoints import reach
from lorag.integrations.parsing.source_folder import REJECTED_FILE, SourceListing, escape_name, list_source, read_file
from lorag.knowledge.artifacts import write_rejected
from lorag.knowledge.documents import Reason, Rejected
from lorag.knowledge.formats import RECORDS, Quarantine, format_of
from lorag.params import KnowledgeParams
from lorag.releases.durable import open_new
from lorag.releases.forgotten import Forgotten
from lorag.use_cases.refresh.hold_back import hold_back
from lorag.use_cases.refresh.leave_out import without_questions, without_records
from lorag.workspace import Workspace

Progress = Callable[[int], AbstractContextManager[Callable[[int], None]]]
"""A function that shows the progress of so many files for as long as its context lasts."""

MAX_NAME_BYTES = 255

COPIED_FILE = ".copied.txt"
"""A file in a copy of a source that names the copied files, one per line; no others are replaced or deleted."""

FIRST_NAMES_FILE = ".first_names.txt"
"""A file in a copy of a source that names, one per line, the files that keep their id although a copy sorts first."""

_UNFINISHED_FILE = ".snapshot.tmp"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The number of files that were added or replaced in the copy, and the number that were deleted."""

    copied: int
    deleted: int


def refuse_overlaps(workspace: Workspace, params: KnowledgeParams) -> None:
    """Raise ParamsError if a copy would overwrite its own origin or the workspace."""
    source = workspace.resolve(params.source)
    if _holds(source, workspace.root):
        raise ParamsError(
            f"the workspace lies inside its source {source}",
            where="params.yaml: knowledge.source",
            do="name a folder that does not hold the workspace",
        )
    if params.origin is not None:
        _refuse_overlap(workspace, source, workspace.resolve(params.origin), "source")
    if params.questions_origin is not None:
        questions = workspace.resolve(params.questions)
        _refuse_overlap(workspace, questions, workspace.resolve(params.questions_origin), "questions")
        if params.origin is not None and (_holds(source, questions) or _holds(questions, source)):
            raise ParamsError(
                "the copies of the documents and of the questions would overlap",
                where="params.yaml: knowledge.questions",
                do="name a file outside knowledge.source, such as data/questions.jsonl",
            )


def snapshot_folder(
    origin: Path,
    target: Path,
    params: KnowledgeParams,
    *,
    allow_empty: bool = False,
    progress: Progress = lambda total: nullcontext(lambda done: None),
    forgotten: Forgotten = Forgotten(),
    approve: Collection[str] = (),
) -> Snapshot:
    """Make `target` a copy of all that can be read below `origin`, under the names that identify the documents.

    What was forgotten is not copied, nor is what `hold_back` holds back unless its folder is in `approve`; it is listed
    as left out.

    `progress` is called with the number of files, and its result with the number done since the last call.
    Unchanged files are not touched, nor files that no snapshot copied. Raises InputRejected and leaves the folder
    unchanged if a file that no snapshot copied is a document or blocks the path of one, if the origin is missing,
    and, unless `allow_empty`, if the origin holds nothing that can be read.
    """
    listing = list_source(origin, max_file_bytes=params.max_file_bytes)
    left_out = [Rejected(file.id, Reason.FORGOTTEN) for file in listing.files if forgotten.names(file.id)]
    listing = replace(listing, files=tuple(file for file in listing.files if not forgotten.names(file.id)))
    listing, held = hold_back(listing, read_copied(target, params), approve)
    if not listing.files and not allow_empty:
        raise InputRejected(
            "nothing to index",
            where=str(origin),
            do="add documents, name another source, or serve an empty index with --allow-shrink",
        )
    if target.exists() and not target.is_dir():
        raise InputRejected("no folder to copy into", where=str(target), do="name a folder as knowledge.source")
    wanted = {file.id for file in listing.files if _can_be_kept(file.id)}
    found = _files_below(target)
    unfinished = {name for name in found if PurePosixPath(name).name == _UNFINISHED_FILE}
    earlier = _copied_before(target, found) | unfinished
    _refuse_others(target, found - earlier, wanted)
    target.mkdir(parents=True, exist_ok=True)
    # Written first, so that the next run does not take the files of a killed run for the user's own.
    _write_names(target, (earlier | wanted) - unfinished)
    # Deleted before the copies are made: a new folder may have the name of a deleted file.
    deleted = _delete(target, (found & earlier) - wanted)
    reach("snapshot.deleted")
    with progress(len(listing.files)) as advance:
        copied, rejected, digests = _copy_files(listing, target, params.max_file_bytes, advance, forgotten)
    reach("snapshot.copied")
    write_rejected(target / REJECTED_FILE, [*listing.rejected, *left_out, *held, *rejected])
    _write_first_names(target, digests, earlier)
    _write_names(target, wanted - {item.name for item in rejected})
    return Snapshot(copied, deleted)


def snapshot_file(origin: Path, target: Path, forgotten: Forgotten = Forgotten()) -> Snapshot:
    """Make `target` a copy of the questions in the file `origin`, without those that cite a forgotten document.

    Raises InputRejected if the origin is missing, or if `target` exists and DVC does not version it, as it does with
    each snapshot.
    """
    if not origin.is_file():
        raise InputRejected("no such file", where=str(origin), do="check the path in params.yaml")
    data = without_questions(origin.read_bytes(), forgotten)
    is_copy = target.with_name(f"{target.name}.dvc").is_file()
    if target.exists() and not is_copy and target.read_bytes() not in (b"", data):
        raise InputRejected(
            "the file was not copied here by a refresh",
            where=str(target),
            do="move it away, or name another file as knowledge.questions",
        )
    return Snapshot(int(_replace(target, data)), 0)


def _refuse_overlap(workspace: Workspace, copy: Path, origin: Path, name: str) -> None:
    where = f"params.yaml: knowledge.{name}"
    if _holds(copy, origin) or _holds(origin, copy):
        raise ParamsError(
            f"each refresh would copy {origin} to {copy}, and one is or holds the other",
            where=where,
            do=f"name another place for the copy, or set its origin to null to read the {name} where they are",
        )
    if not copy.is_relative_to(workspace.root.resolve()):
        raise ParamsError(
            f"the copy {copy} would lie outside the workspace",
            where=where,
            do="name a place inside the workspace, such as one in data/",
        )


def _holds(outer: Path, inner: Path) -> bool:
    """Return whether `inner` is `outer` or lies in it, also through links, mounts and other names."""
    return any(place == outer or _is_same(place, outer) for place in (inner, *inner.parents))


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _can_be_kept(name: str) -> bool:
    return all(len(os.fsencode(part)) <= MAX_NAME_BYTES for part in PurePosixPath(name).parts)


def _files_below(target: Path) -> set[str]:
    paths = (path for path in target.rglob("*") if path.is_symlink() or not path.is_dir())
    return {path.relative_to(target).as_posix() for path in paths}


def _copied_before(target: Path, found: set[str]) -> set[str]:
    """Return the names of the files that earlier snapshots copied; all documents in a copy without such a list."""
    try:
        return set((target / COPIED_FILE).read_text(encoding="utf-8").splitlines())
    except (FileNotFoundError, NotADirectoryError):
        return {name for name in found if _is_document(name)} if REJECTED_FILE in found else set()


def read_copied(target: Path, params: KnowledgeParams) -> set[str] | None:
    """Return the files that earlier refreshes copied; None before the first one, and if nothing is to be approved."""
    if not params.approve_new_sources or not (target / COPIED_FILE).is_file():
        return None
    return set((target / COPIED_FILE).read_text(encoding="utf-8").splitlines())


def _is_document(name: str) -> bool:
    path = PurePosixPath(name)
    return format_of(path.name) is not None and not any(part.startswith(".") for part in path.parts)


def _refuse_others(target: Path, others: Iterable[str], wanted: set[str]) -> None:
    taken = {above for name in wanted for above in _places(name)}
    for name in sorted(others):
        if _is_document(name) or name in taken or any(above in wanted for above in _places(name)):
            raise InputRejected(
                f"{escape_name(name)} was not copied here by a refresh",
                where=str(target),
                do="move it to the origin or elsewhere, or name an empty folder as knowledge.source",
            )


def _places(name: str) -> Iterator[str]:
    """Yield the name of a file and the names of the folders that contain it."""
    path = PurePosixPath(name)
    yield from (place.as_posix() for place in (path, *path.parents[:-1]))


def _write_names(target: Path, names: set[str]) -> None:
    _replace(target / COPIED_FILE, "".join(f"{name}\n" for name in sorted(names)).encode())


def read_first_names(source: Path) -> set[str]:
    """Return the names of a snapshot's files that keep their id although a copy sorts first; none elsewhere."""
    try:
        return set((source / FIRST_NAMES_FILE).read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return set()


def _write_first_names(target: Path, digests: Mapping[str, str], earlier: Collection[str]) -> None:
    """Write which of equal files has been there before its copies: it goes on to name their document."""
    before = read_first_names(target)
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(digests):
        groups[digests[name]].append(name)
    firsts = set()
    for names in groups.values():
        first = min(names, key=lambda name: (name not in before, name not in earlier, name))
        if first != names[0]:
            firsts.add(first)
    path = target / FIRST_NAMES_FILE
    if firsts:
        _replace(path, "".join(f"{name}\n" for name in sorted(firsts)).encode())
    else:
        path.unlink(missing_ok=True)


def _copy_files(
    listing: SourceListing,
    target: Path,
    max_file_bytes: int,
    advance: Callable[[int], None],
    forgotten: Forgotten,
) -> tuple[int, list[Rejected], dict[str, str]]:
    """Return how many files were copied, which could not be read, and the digests of all that could."""
    copied, rejected, digests = 0, [], {}
    for file in listing.files:
        advance(1)
        path = target / file.id
        if not _can_be_kept(file.id):
            rejected.append(Rejected(file.id, Reason.UNREADABLE, "a name too long to be kept"))
            continue
        try:
            data = read_file(listing.root, file, max_file_bytes=max_file_bytes)
            if forgotten.has_content(sha256_hex(data)):
                raise Quarantine(Reason.FORGOTTEN, "")
            if file.kind == RECORDS:
                data = without_records(data, forgotten)
            copied += _replace(path, data)
            reach("snapshot.file")
            digests[file.id] = sha256_hex(data)
        except Quarantine as verdict:
            rejected.append(Rejected(file.id, verdict.reason, verdict.detail))
            path.unlink(missing_ok=True)
    return copied, rejected, digests


def _replace(path: Path, data: bytes) -> bool:
    """Write the file where it differs, and return whether that was necessary."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_empty_folders(path)
    temporary = path.parent / _UNFINISHED_FILE
    with open_new(temporary) as file:
        file.write(data)
    temporary.replace(path)
    return True


def _remove_empty_folders(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        for folder in sorted(path.rglob("*"), reverse=True):
            folder.rmdir()
        path.rmdir()


def _delete(target: Path, names: Iterable[str]) -> int:
    deleted = 0
    for path in (target / name for name in names):
        # What a killed run left half written may have become the list of names meanwhile.
        path.unlink(missing_ok=True)
        deleted += 1
        for folder in path.parents:
            if folder == target or any(folder.iterdir()):
                break
            folder.rmdir()
    return deleted
