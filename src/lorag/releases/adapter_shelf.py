"""The adapters that releases name, each in a folder named by its sha256."""

import hashlib
import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lorag.digests import digest_of
from lorag.errors import IntegrityFailed, StoreFailed
from lorag.failpoints import reach
from lorag.releases.durable import sync_path, write_json_durably
from lorag.releases.record import Release

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
SUMS = "sha256.json"
"""The file with the sha256 of each file beside it, and of this list."""


def adapter_sha256(folder: Path) -> str:
    """Return the digest of an adapter's weights and config; raises IntegrityFailed if one of them is missing."""
    try:
        return digest_of({name: _file_sha256(folder / name) for name in (CONFIG, WEIGHTS)})
    except FileNotFoundError as error:
        raise IntegrityFailed(f"no {Path(error.filename).name} of an adapter", where=folder.name, do=_MEND) from error


@dataclass(frozen=True, slots=True)
class AdapterShelf:
    """A shelf of adapters in `folder/<sha256>/`, each whole or absent; the writer holds the workspace's lock."""

    folder: Path

    def keep(self, files: Mapping[str, Path]) -> str:
        """Put a durable copy of the adapter in `files` (name to path) on the shelf, and return its sha256.

        An adapter that is there and intact is not changed. Raises StoreFailed if it cannot be written.
        """
        aside = self.folder / ".incoming"
        reach("adapter.before")
        try:
            # One name for all attempts, so that this removes what a killed one left.
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            for name, path in files.items():
                _copy_durably(path, aside / name)
                reach("adapter.copied")
            sums = {name: _file_sha256(aside / name) for name in files}
            write_json_durably(aside / SUMS, {"files": sums, "sha256": digest_of(sums)})
            sync_path(aside)
            sha256 = adapter_sha256(aside)
            reach("adapter.ready")
            self._put(aside, sha256)
            reach("adapter.after")
        except OSError as error:
            raise StoreFailed(
                f"cannot keep the adapter: {error.strerror or error}", where=str(self.folder), do="free disk space"
            ) from error
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return sha256

    def open(self, sha256: str) -> Path:
        """Return the folder of an adapter after a check of every byte; raises IntegrityFailed if it is not intact."""
        folder = self.folder / sha256
        if not folder.is_dir():
            raise IntegrityFailed("the adapter is not there", where=sha256[:12], do=_MEND)
        is_published = adapter_sha256(folder) == sha256
        altered = _altered_file(folder)
        if altered or not is_published:
            named = f": bytes changed in {altered}" if altered else ""
            raise IntegrityFailed(f"the adapter is not what was published{named}", where=sha256[:12], do=_MEND)
        return folder

    def holds(self, sha256: str) -> bool:
        """Whether that adapter is there and intact."""
        try:
            self.open(sha256)
        except IntegrityFailed:
            return False
        return True

    def drop_all_but(self, keep: Collection[str]) -> None:
        """Delete every adapter that is not in `keep`."""
        if not self.folder.is_dir():
            return
        for path in self.folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)
        sync_path(self.folder)

    def retain(self, releases: Iterable[Release]) -> None:
        """Delete the adapters that none of these releases names."""
        self.drop_all_but({entry.sha256 for release in releases for entry in release.adapters.values()})

    def _put(self, aside: Path, sha256: str) -> None:
        if self.holds(sha256):
            return
        shutil.rmtree(self.folder / sha256, ignore_errors=True)
        aside.rename(self.folder / sha256)
        sync_path(self.folder)
        sync_path(self.folder.parent)


def _copy_durably(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    sync_path(target)


def _altered_file(folder: Path) -> str | None:
    """Return the name of a file that is not what was kept; None if all are, or if an earlier version kept them."""
    try:
        value = json.loads((folder / SUMS).read_text(encoding="utf-8"))
        sums = dict(value["files"])
        if value["sha256"] != digest_of(sums):
            return SUMS
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return SUMS
    for name, sha256 in sums.items():
        if not (folder / name).is_file() or _file_sha256(folder / name) != sha256:
            return str(name)
    return None


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_MEND = "run `lorag rollback`, or `lorag retrain`"
