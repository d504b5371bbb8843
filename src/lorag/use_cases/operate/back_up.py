"""A workspace as one file that was checked before it is used: `lorag backup` and `lorag restore`."""

import hashlib
import hmac
import json
import os
import shutil
import sqlite3
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from lorag.digests import canonical_json
from lorag.errors import Busy, IntegrityFailed, ParamsError, StoreFailed
from lorag.failpoints import reach
from lorag.integrations.git_repo import is_repository_root, unignored
from lorag.integrations.mlflow.moved import move_artifacts
from lorag.params import Params, StoreKind
from lorag.params_file import load_params
from lorag.progress import show_progress
from lorag.releases.audit import Action, note_action
from lorag.releases.checks import Check
from lorag.releases.durable import naming, open_new, sync_path, sync_tree, writer_lock
from lorag.releases.forgotten import LEDGER, add_all, read_forgotten, read_ledger
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.operate.backups import SEAL, drop_expired, note_backup
from lorag.use_cases.operate.forget import forget_document, remembered
from lorag.use_cases.serve.manage_releases import check_releases
from lorag.workspace import Workspace

KEY_VARIABLE = "LORAG_BACKUP_KEY"
"""The environment variable with a secret that signs a backup, and without which a signed one is not restored."""

VERSION = 1
_MANIFEST, _SIGNATURE, _OBJECTS = "manifest.json", "manifest.hmac", "objects/"
_WHOLE_FOLDERS = (".git", ".dvc", ".lorag", "artifacts", "data", "reports")
"""Folders of which git ignores parts that a workspace stands on."""

_LEFT_OUT = (
    ".dvc/tmp",
    ".lorag/cache.sqlite",
    ".lorag/cache.sqlite-shm",
    ".lorag/cache.sqlite-wal",
    ".lorag/command.lock",
    ".lorag/prefect",
    ".lorag/readers",
    ".lorag/run",
    ".lorag/serve.key",
    ".lorag/writer.lock",
)
"""What is made again by itself, is a secret, belongs to running processes, or is Prefect's record of finished runs."""

_DATABASES = frozenset({".db", ".sqlite", ".sqlite3"})
_BESIDE = ("-wal", "-shm")
"""What SQLite keeps beside an open database; a copy of the database has it in it."""

_BLOCK = 1 << 20
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: `release` is the one in service, None before the first; `left_out` says what is not in it, and why."""

    archive: Path
    release: str | None
    files: int
    bytes: int
    made_utc: str
    signed: bool
    left_out: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag backup --json` prints."""
        return {**asdict(self), "archive": str(self.archive), "left_out": list(self.left_out)}


@dataclass(frozen=True, slots=True)
class Restored:
    """A workspace that was restored, with the checks of `lorag doctor` that it passed."""

    workspace: Path
    release: str | None
    files: int
    made_utc: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag restore --json` prints."""
        return {
            "workspace": str(self.workspace),
            "release": self.release,
            "files": self.files,
            "made_utc": self.made_utc,
            "checks": [check.name for check in self.checks],
            "notes": list(self.notes),
        }


def back_up(workspace: Workspace, archive: Path, environment: Mapping[str, str]) -> Backup:
    """Write a backup of the workspace to the new file `archive`; no refresh, retrain or rollback runs meanwhile.

    A file that is there several times, as in the workspace and in DVC's cache, is written once. Raises ParamsError for
    an archive that exists or lies in the workspace or among its documents, Busy while something writes,
    IntegrityFailed if a release is damaged, StoreFailed if the archive cannot be written. Only a whole archive gets its
    name.
    """
    archive = archive.absolute()
    root = workspace.root
    if archive.exists():
        raise ParamsError("this file exists", where=str(archive), do="name a new file")
    params = load_params(workspace.params_file)
    knowledge = params.knowledge
    followed = [workspace.resolve(path) for path in (knowledge.source, knowledge.origin) if path is not None]
    if any(archive.resolve().is_relative_to(folder) for folder in (root.resolve(), *followed)):
        raise ParamsError("a backup cannot lie in what it backs up", where=str(archive), do="name a file elsewhere")
    key = environment.get(KEY_VARIABLE)
    with writer_lock(workspace.lock_file):
        reach("backup.before")
        _refuse_damage(check_releases(workspace, params, environment), str(root), "run `lorag doctor`")
        note_action(workspace.state, Action.BACK_UP, release=_served(workspace), file=archive.name)
        names, left_out = _list(root)
        if params.index.store is StoreKind.WEAVIATE:
            left_out.append("the index in Weaviate: the next refresh writes it again")
        reach("backup.noted")
        # What is forgotten from now on may be in it, and so may what was and is still here.
        erased = [] if remembered(workspace) else [entry.salt for entry in read_forgotten(workspace.state).entries]
        made = datetime.now(UTC).isoformat(timespec="seconds")
        partial = archive.with_name(f".{archive.name}.partial")
        try:
            archive.parent.mkdir(parents=True, exist_ok=True)
            databases = archive.with_name(f".{archive.name}.databases")
            with _own_folder(databases) as scratch, _new_file(partial) as file:
                entries = _write_objects(file, root, names, scratch, key, served := _served(workspace), made)
            # Known before it has its name: after a kill here a name is known too many, and never one too few.
            note_backup(workspace, archive, made, partial, erased)
            reach("backup.known")
            partial.rename(archive)
            reach("backup.named")
            sync_path(archive.parent)
        except OSError as error:
            raise StoreFailed(f"cannot write the backup: {error}", where=str(archive)) from error
        finally:
            partial.unlink(missing_ok=True)
        reach("backup.after")
    drop_expired(workspace)
    size = sum(entry["bytes"] for entry in entries["files"])
    return Backup(archive, served, len(entries["files"]), size, made, key is not None, tuple(left_out))


def restore(archive: Path, folder: Path, environment: Mapping[str, str], *, forgotten: Path | None = None) -> Restored:
    """Make a workspace of a backup in `folder`, which does not exist or is empty.

    Each file is compared with its digest while it is written, and the releases are checked as `lorag doctor` does,
    before the workspace gets its place: an interrupted or refused restore leaves `folder` as it was. What was forgotten
    since the backup is erased again before that, by the ledger of the workspace that was backed up, if it is still
    there, and by the ledger file `forgotten`. Raises ParamsError for a folder with contents, IntegrityFailed for an
    archive that is damaged, changed, or not signed by the key.
    """
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParamsError("a backup is restored into a new or empty folder", where=str(folder), do="name another one")
    aside = folder.with_name(f".{folder.name}.restoring")
    made = [above for above in aside.parents if not above.exists()]
    shutil.rmtree(aside, ignore_errors=True)
    try:
        reach("restore.before")
        with _open_archive(archive) as file:
            manifest = _read_manifest(file, archive, environment.get(KEY_VARIABLE))
            _read_objects(file, manifest, aside, archive)
        reach("restore.copied")
        workspace = Workspace(aside)
        params = load_params(workspace.params_file)
        notes = _forget_again(workspace, params, environment, manifest.get("workspace"), forgotten)
        reach("restore.erased")
        checks = []
        if params.index.store is StoreKind.WEAVIATE:
            notes.append("run `lorag refresh --rebuild`: the index is in Weaviate and not in the backup")
        else:
            checks = check_releases(workspace, params, environment)
            _refuse_damage(checks, str(archive), "use another backup")
        for name in (params.knowledge.origin, params.knowledge.questions_origin):
            if name is not None and not Path(name).exists():
                notes.append(f"{name} is not there: change its place in params.yaml before the next refresh")
        move_artifacts(workspace.state / "mlflow" / "mlflow.db", folder)
        served = _served(workspace)
        note_action(workspace.state, Action.RESTORE, release=served, file=archive.name)
        reach("restore.ready")
        sync_tree(aside)
        reach("restore.durable")
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
        reach("restore.named")
        sync_path(folder.parent)
    except OSError as error:
        raise StoreFailed(f"cannot write the workspace: {error}", where=str(folder)) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        with suppress(OSError):
            # Nearest first; the first one that holds a workspace stays, and so do those above it.
            for above in made:
                above.rmdir()
    return Restored(folder, served, len(manifest["files"]), manifest["made_utc"], tuple(checks), tuple(notes))


def _forget_again(
    workspace: Workspace, params: Params, environment: Mapping[str, str], origin: str | None, given: Path | None
) -> list[str]:
    """Erase in a restored workspace what was forgotten since the backup, and return what was done, a sentence each."""
    if given is not None and not given.is_file():
        raise ParamsError("no such ledger", where=str(given), do=f"name a copy of .lorag/{LEDGER}")
    known = [Workspace(Path(origin)).state / LEDGER] if origin and Path(origin).is_dir() else []
    known += [given] if given is not None else []
    for ledger in known:
        add_all(workspace.state, read_ledger(ledger))
    names = remembered(workspace)
    said = f"what was forgotten since: {', '.join(names)}"
    notes = [] if known else ["the workspace that was backed up is not there: name its ledger with --forgotten"]
    if names and params.index.store is StoreKind.WEAVIATE:
        # The index is not in the backup, and may be in use by the workspace that was backed up.
        return [*notes, f"run `lorag forget` after the next refresh for {said}"]
    for name in names:
        forget_document(name, workspace, params, environment)
    return [*notes, f"erased again, {said}"] if names else notes


def _served(workspace: Workspace) -> str | None:
    return ReleaseShelf(workspace.state).served_id()


def _refuse_damage(checks: list[Check], where: str, do: str) -> None:
    damaged = next((check for check in checks if check.problem), None)
    if damaged is not None:
        raise IntegrityFailed(f"{damaged.name}: {damaged.problem}", where=where, do=do)


def _list(root: Path) -> tuple[list[str], list[str]]:
    """Return the files that belong to the workspace, sorted, and what is left out of it and why."""
    found = set(unignored(root)) if is_repository_root(root) else set()
    left_out = [] if found else ["the git history: the repository begins above the workspace"]
    for name in _WHOLE_FOLDERS:
        found |= {path.relative_to(root).as_posix() for path in (root / name).rglob("*") if not path.is_dir()}
    kept = []
    for name in sorted(found):
        path = root / name
        if any(name == part or name.startswith(f"{part}/") for part in _LEFT_OUT) or not os.path.lexists(path):
            continue
        if path.is_symlink() or not path.is_file():
            left_out.append(f"{name}: not a plain file")
        elif not (name.endswith(_BESIDE) and _is_database(root / name[: -len(_BESIDE[0])])):
            kept.append(name)
    return kept, left_out


def _is_database(path: Path) -> bool:
    return path.suffix in _DATABASES and path.is_file()


@contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder for this user alone, without what an interrupted backup left in it, and remove it in the end."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=stat.S_IRWXU)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _new_file(path: Path) -> Iterator[zipfile.ZipFile]:
    """Yield a new archive, which is sealed and on the disk at the end; it is for this user alone."""
    with naming(path), open_new(path, stat.S_IRUSR | stat.S_IWUSR) as raw:
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
            file.comment = b"0" * SEAL
            yield file
        raw.flush()
        seal = _digest(path, leave=SEAL)[0].encode()
        raw.seek(-SEAL, os.SEEK_END)
        raw.write(seal)
        raw.flush()
        reach("backup.sealed")
        os.fsync(raw.fileno())
    reach("backup.durable")


def _write_objects(
    file: zipfile.ZipFile, root: Path, names: list[str], scratch: Path, key: str | None, release: str | None, made: str
) -> dict[str, Any]:
    """Write each content once, then the manifest; return the manifest."""
    entries: list[dict[str, Any]] = []
    written: set[str] = set()
    with show_progress("Backing up, files", len(names)) as advance:
        for name in names:
            path = root / name
            mode = stat.S_IMODE(path.stat().st_mode)
            content = _copy_database(path, scratch) if _is_database(path) else path
            sha256, size = _put(file, content, written)
            entries.append({"path": name, "sha256": sha256, "bytes": size, "mode": mode})
            reach("backup.file")
            advance(1)
    manifest = {
        "version": VERSION,
        "made_utc": made,
        "release": release,
        "workspace": str(root),
        "files": entries,
    }
    text = canonical_json(manifest).encode()
    file.writestr(_MANIFEST, text)
    if key is not None:
        file.writestr(_SIGNATURE, _sign(text, key))
    return manifest


def _copy_database(path: Path, scratch: Path) -> Path:
    """Return a copy of a database as of one moment, whoever writes to it."""
    copy = scratch / "database"
    copy.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=60)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
    except sqlite3.Error as error:
        raise StoreFailed(f"cannot read the database: {error}", where=str(path)) from error
    return copy


def _put(file: zipfile.ZipFile, path: Path, written: set[str]) -> tuple[str, int]:
    """Write a file's content under its digest, unless it is there; return digest and size."""
    for _ in range(_ATTEMPTS):
        sha256, size = _digest(path)
        if sha256 in written:
            return sha256, size
        copied = hashlib.sha256()
        # A log may grow between the two readings: what was digested first is what counts.
        with path.open("rb") as source, file.open(_OBJECTS + sha256, "w", force_zip64=True) as target:
            left = size
            while left and (block := source.read(min(_BLOCK, left))):
                copied.update(block)
                target.write(block)
                left -= len(block)
        if copied.hexdigest() == sha256:
            written.add(sha256)
            return sha256, size
    raise Busy("a file changes while it is read", where=str(path), do="stop what writes it, then run this again")


def _digest(path: Path, *, leave: int = 0) -> tuple[str, int]:
    """Return digest and size of a file without its last bytes."""
    digest, size = hashlib.sha256(), path.stat().st_size - leave
    left = size
    with path.open("rb") as source:
        while left > 0 and (block := source.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest(), size - left


@contextmanager
def _open_archive(archive: Path) -> Iterator[zipfile.ZipFile]:
    if not archive.is_file():
        raise ParamsError("no such backup", where=str(archive), do="name a file that `lorag backup` wrote")
    try:
        with zipfile.ZipFile(archive) as file:
            if file.comment != _digest(archive, leave=SEAL)[0].encode():
                raise _damaged(archive, "its bytes are not those that were written")
            yield file
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeError) as error:
        raise _damaged(archive, str(error)) from error


def _read_manifest(file: zipfile.ZipFile, archive: Path, key: str | None) -> dict[str, Any]:
    try:
        text = file.read(_MANIFEST)
        signature = file.read(_SIGNATURE).decode() if _SIGNATURE in file.namelist() else None
        manifest = json.loads(text)
        version, files = manifest["version"], manifest["files"]
        for entry in files:
            _ = entry["path"], entry["sha256"], entry["bytes"], entry["mode"]
        _ = manifest["release"], manifest["made_utc"]
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(archive, "its list of files cannot be read") from error
    if version != VERSION:
        raise ParamsError(
            f"a backup of form {version}, not {VERSION}",
            where=str(archive),
            do="restore it with the lorag that made it",
        )
    if key is not None and (signature is None or not hmac.compare_digest(signature, _sign(text, key))):
        raise IntegrityFailed(
            "the backup is not signed by this key",
            where=str(archive),
            do=f"check {KEY_VARIABLE}, or use another backup",
        )
    if key is None and signature is not None:
        raise IntegrityFailed(
            "the backup is signed, and there is no key to check it", where=str(archive), do=f"set {KEY_VARIABLE}"
        )
    return dict(manifest)


def _read_objects(file: zipfile.ZipFile, manifest: Mapping[str, Any], target: Path, archive: Path) -> None:
    with show_progress("Restoring, files", len(manifest["files"])) as advance:
        for entry in manifest["files"]:
            path = target / _safe(entry["path"], archive)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.exists():
                raise _damaged(archive, f"{entry['path']} is listed twice")
            with path.open("xb") as copy:
                if _extract(file, entry["sha256"], copy, archive) != entry["sha256"]:
                    raise _damaged(archive, f"{entry['path']} is not what was backed up")
            path.chmod(entry["mode"] & (stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO))
            reach("restore.file")
            advance(1)


def _extract(file: zipfile.ZipFile, sha256: str, copy: IO[bytes], archive: Path) -> str:
    digest = hashlib.sha256()
    try:
        with file.open(_OBJECTS + sha256) as source:
            while block := source.read(_BLOCK):
                digest.update(block)
                copy.write(block)
    except KeyError as error:
        raise _damaged(archive, "a content is missing") from error
    return digest.hexdigest()


def _safe(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or "\\" in name:
        raise _damaged(archive, f"it names a place outside: {name!r}")
    return path


def _sign(text: bytes, key: str) -> str:
    return hmac.new(key.encode(), text, hashlib.sha256).hexdigest()


def _damaged(archive: Path, what: str) -> IntegrityFailed:
    return IntegrityFailed(f"the backup is damaged: {what}", where=str(archive), do="use another backup")
