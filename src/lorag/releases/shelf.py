"""The releases of a workspace on disk, and the small file that names the served one."""

import fcntl
import json
import logging
import os
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.errors import Busy, IntegrityFailed, NotThere, WorkspaceError
from lorag.releases.audit import Action, note_action
from lorag.releases.durable import sync_path, write_json_durably
from lorag.releases.record import Release

logger = logging.getLogger(__name__)

_LOOK_S = 0.1

POINTER = "current.json"
"""The name of the file that names the served release."""


@dataclass(frozen=True, slots=True)
class ReleaseShelf:
    """A shelf with one file `folder/releases/<id>.json` for each release, and `folder/current.json`, the pointer.

    Writers hold the workspace's lock; readers need none, because every file is replaced whole. A reader that keeps a
    release open holds it, so that no writer drops it meanwhile.
    """

    folder: Path

    @property
    def _pointer(self) -> Path:
        return self.folder / POINTER

    def releases(self) -> list[Release]:
        """Return the readable releases, newest generation first, without damaged records (see `damaged`)."""
        found = [self._try_read(path) for path in self._paths()]
        return sorted((r for r in found if isinstance(r, Release)), key=lambda release: -release.generation)

    def damaged(self) -> list[IntegrityFailed]:
        """Return the error of each record that cannot be read."""
        return [e for e in (self._try_read(path) for path in self._paths()) if isinstance(e, IntegrityFailed)]

    def served_id(self) -> str | None:
        """Return the id in the pointer; None if nothing was published; raises IntegrityFailed for a damaged pointer."""
        try:
            pointer = _read_json(self._pointer)
            if not str(pointer["release"]).startswith(f"{pointer['generation']:06d}-"):
                raise TypeError("not the generation of that release")
            return str(pointer["release"])
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityFailed("damaged pointer to the served release", where=POINTER, do=_POINT) from error
        except IntegrityFailed as error:
            raise IntegrityFailed(
                f"damaged pointer to the served release: {error.what}", where=POINTER, do=_POINT
            ) from error

    def pointed_id(self) -> str | None:
        """Return what `served_id` returns; None for a damaged pointer too, which names nothing that could be lost."""
        try:
            return self.served_id()
        except IntegrityFailed:
            return None

    def used_id(self) -> str | None:
        """Return the id of the release that is read: that of the pointer, or the newest if the pointer is damaged."""
        try:
            return self.served_id()
        except IntegrityFailed:
            return next((release.id for release in self.releases()), None)

    def pointed_at_s(self) -> float:
        """Return when the pointer last moved, in seconds since 1970; raises FileNotFoundError if it never was."""
        return self._pointer.stat().st_mtime

    def served(self) -> Release | None:
        """Return the release in the pointer; None before the first; raises IntegrityFailed if it cannot be read."""
        release_id = self.served_id()
        return None if release_id is None else self.read(release_id)

    def in_use(self) -> Release | None:
        """Return the served release, or the newest if the pointer or its release is damaged; None before the first."""
        try:
            return self.served()
        except (IntegrityFailed, WorkspaceError) as error:
            newest = next(iter(self.releases()), None)
            logger.warning("%s; the newest whole release is %s", error, newest.id if newest else "none")
            return newest

    def read(self, release_id: str) -> Release:
        """Return the release of that id; raises NotThere for an unknown one."""
        known = {path.stem: path for path in self._paths()}
        if release_id not in known:
            raise NotThere(f"no release {release_id!r}", do="`lorag releases` lists the retained ones")
        path = known[release_id]
        return Release.from_json(_read_json(path), where=path.name)

    def as_of(self, name: str) -> Release:
        """Return a release by its id or its generation number; raises NotThere for an unknown one."""
        for release in self.releases():
            if name in (release.id, str(release.generation)):
                return release
        raise NotThere(f"no release {name!r}", do="`lorag releases` lists the retained ones")

    def publish(self, release: Release, *, expected_served: str | None) -> None:
        """Write the record, then move the pointer; raises Busy if another release than `expected_served` is served."""
        write_json_durably(self.folder / "releases" / f"{release.id}.json", release.to_json())
        self.point_at(release, expected_served=expected_served)

    def point_at(self, release: Release, *, expected_served: str | None) -> None:
        """Serve a release that is on the shelf, by compare and swap; raises Busy as `publish` does."""
        served = self.pointed_id()
        if served is not None and served != expected_served:
            raise Busy(
                f"{served} was published meanwhile, not {expected_served}", do="run the command again on the new state"
            )
        # Noted first: after a kill here the log names one release too many, and never one too few.
        note_action(self.folder, Action.SERVE, release=release.id, instead_of=served)
        write_json_durably(self._pointer, {"release": release.id, "generation": release.generation})

    @contextmanager
    def hold(self, release_id: str) -> Iterator[None]:
        """Keep a release on the shelf while the context lasts, also if many newer ones are published meanwhile.

        The kernel frees it if this process ends. Read the record inside: the release may have gone just before. Where
        nothing can be written, as from a read-only copy, nothing is held.
        """
        with suppress(OSError):
            self._reader(release_id).parent.mkdir(mode=0o700, exist_ok=True)
        try:
            descriptor = os.open(self._reader(release_id), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            yield
        finally:
            os.close(descriptor)

    def retain(self, n_newest: int) -> list[Release]:
        """Forget all but the newest releases, the served one and those that a reader holds.

        Returns those that stay, newest first.
        """
        served = self.pointed_id()
        releases = self.releases()
        keep = [r for i, r in enumerate(releases) if i < n_newest or r.id == served]
        return self._drop([release for release in releases if release not in keep])

    def forget(self, release_ids: Collection[str]) -> list[Release]:
        """Forget these releases, and every record that cannot be read; return those that stay, newest first."""
        for path in self._paths():
            if path.stem in release_ids or isinstance(self._try_read(path), IntegrityFailed):
                path.unlink(missing_ok=True)
        sync_path(self.folder / "releases")
        return self.releases()

    def wait_for_readers(self, release_ids: Collection[str], wait_s: float) -> bool:
        """Wait until nobody holds these releases any more; return False if somebody still does after `wait_s`."""
        end_s = time.monotonic() + wait_s
        for release_id in release_ids:
            while not self._is_free(release_id):
                if time.monotonic() > end_s:
                    return False
                time.sleep(_LOOK_S)
        return True

    def _is_free(self, release_id: str) -> bool:
        with self._held_by_nobody(release_id) as is_free:
            return is_free

    def _drop(self, releases: Sequence[Release]) -> list[Release]:
        """Delete the records of the releases that nobody holds, and return all that are left, newest first."""
        for release in releases:
            with self._held_by_nobody(release.id) as is_free:
                if is_free:
                    (self.folder / "releases" / f"{release.id}.json").unlink(missing_ok=True)
                    self._reader(release.id).unlink(missing_ok=True)
        if releases:
            sync_path(self.folder / "releases")
        return self.releases()

    @contextmanager
    def _held_by_nobody(self, release_id: str) -> Iterator[bool]:
        """Yield whether no reader holds the release; while the context lasts, one that comes has to wait."""
        try:
            descriptor = os.open(self._reader(release_id), os.O_RDWR)
        except FileNotFoundError:
            # It was never opened; a reader that opens it just now finds no record, and takes another one.
            yield True
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(descriptor)

    def _reader(self, release_id: str) -> Path:
        return self.folder / "readers" / f"{release_id}.lock"

    def _paths(self) -> list[Path]:
        return sorted((self.folder / "releases").glob("[0-9]*.json"))

    def _try_read(self, path: Path) -> Release | IntegrityFailed:
        try:
            return Release.from_json(_read_json(path), where=path.name)
        except IntegrityFailed as error:
            return error


_POINT = "run `lorag refresh`, `lorag rollback` or `lorag doctor --mend`, each of which writes it anew"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise IntegrityFailed(
            f"unreadable record: {error}", where=path.name, do="run `lorag doctor`, then `lorag refresh`"
        ) from error
