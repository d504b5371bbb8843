"""The releases of a workspace on disk, and the small file that names the served one."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.errors import Busy, IntegrityFailed, NotThere, WorkspaceError
from lorag.releases.durable import fsync_folder, write_json_durably
from lorag.releases.record import Release


@dataclass(frozen=True, slots=True)
class ReleaseShelf:
    """A shelf with one file `folder/releases/<id>.json` for each release, and `folder/current.json`, the pointer.

    Writers hold the workspace's lock; readers need none, because every file is replaced whole.
    """

    folder: Path

    @property
    def _pointer(self) -> Path:
        return self.folder / "current.json"

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
            return str(_read_json(self._pointer)["release"])
        except FileNotFoundError:
            return None
        except (KeyError, TypeError) as error:
            raise IntegrityFailed("damaged pointer to the served release", where=self._pointer.name) from error

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
        except (IntegrityFailed, WorkspaceError):
            return next(iter(self.releases()), None)

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
        try:
            served = self.served_id()
        except IntegrityFailed:
            # A damaged pointer names nothing that could be lost.
            served = expected_served
        if served != expected_served:
            raise Busy(
                f"{served} was published meanwhile, not {expected_served}", do="run the command again on the new state"
            )
        write_json_durably(self._pointer, {"release": release.id, "generation": release.generation})

    def retain(self, n_newest: int) -> list[Release]:
        """Forget all but the newest releases and the served one; return those that stay, newest first."""
        served = self.served_id()
        releases = self.releases()
        keep = [r for i, r in enumerate(releases) if i < n_newest or r.id == served]
        self._delete([release for release in releases if release not in keep])
        return keep

    def _delete(self, releases: Sequence[Release]) -> None:
        for release in releases:
            (self.folder / "releases" / f"{release.id}.json").unlink(missing_ok=True)
        if releases:
            fsync_folder(self.folder / "releases")

    def _paths(self) -> list[Path]:
        return sorted((self.folder / "releases").glob("[0-9]*.json"))

    def _try_read(self, path: Path) -> Release | IntegrityFailed:
        try:
            return Release.from_json(_read_json(path), where=path.name)
        except IntegrityFailed as error:
            return error


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise IntegrityFailed(
            f"unreadable record: {error}", where=path.name, do="run `lorag doctor`, then `lorag refresh`"
        ) from error
