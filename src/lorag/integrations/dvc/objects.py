"""The objects of DVC's cache, or of a remote in a folder, that hold a document."""

import configparser
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lorag.integrations.erasing import hold, is_tensors
from lorag.knowledge.remains import Remains

_DIR = ".dir"


@dataclass(frozen=True, slots=True)
class ObjectFolder:
    """A folder of objects by md5, of the cache or of a remote; `path` is None if it is not on this machine."""

    name: str
    path: Path | None


def object_folders(root: Path, own: str) -> list[ObjectFolder]:
    """Return the cache, named `own`, and the remotes of a DVC repository, without those that are the cache itself."""
    folder = root / ".dvc"
    config = configparser.ConfigParser(strict=False, interpolation=None)
    config.read([folder / "config", folder / "config.local"], encoding="utf-8")
    cache = folder / config.get("cache", "dir", fallback="cache")
    found = [ObjectFolder(own, cache / "files" / "md5")]
    for section in config.sections():
        if "remote" in section and '"' in section and config.has_option(section, "url"):
            url, name = config.get(section, "url").strip('"'), section.split('"')[1]
            place = folder / url if not urlsplit(url).scheme else None
            if place is None or place.resolve() != cache.resolve():
                found.append(ObjectFolder(name, place / "files" / "md5" if place is not None else None))
    return found


def names_of_copies(objects: Path, copied_file: str) -> dict[str, set[str]]:
    """Return the objects of the files in all versions of a source's copy, by the files' names.

    A folder is such a copy if it has the file `copied_file`.
    """
    found: dict[str, set[str]] = {}
    for listing in _listings(objects).values():
        if copied_file in listing:
            for name, oid in listing.items():
                found.setdefault(name, set()).add(oid)
    return found


def rows_naming(objects: Path, names: Collection[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows with one of these names in lists of any version: of documents, of chunks, of questions."""
    wanted = [json.dumps(name, ensure_ascii=False).encode("utf-8", "surrogatepass") for name in names]
    for path in _objects(objects):
        with path.open("rb") as file:
            if file.read(1) != b"{":
                continue
            file.seek(0)
            for line in file:
                if any(name in line for name in wanted):
                    try:
                        row = json.loads(line.decode("utf-8", "surrogatepass"))
                    except ValueError:
                        continue
                    if isinstance(row, dict):
                        yield row


def holding_objects(
    objects: Path, remains: Remains, copied_file: str, lists: Collection[str], current: Collection[str]
) -> list[Path]:
    """Return the objects that hold the document, and the folders that contain one of them.

    A file in a copy of the source is judged by its name alone, because another document may quote this one; `lists` are
    the names of files there with several items, which are read. Vectors and weights show no text: only those in
    `current`, by md5, are known to be made without the document.
    """
    listings = _listings(objects)
    copies = [listing for listing in listings.values() if copied_file in listing]
    gone = {oid for listing in copies for name, oid in listing.items() if name in remains.names}
    plain = (listing.items() for listing in copies)
    others = {oid for items in plain for name, oid in items if PurePosixPath(name).name not in lists} - gone
    for path in _objects(objects):
        oid = path.parent.name + path.name
        if oid.endswith(_DIR) or oid in gone or oid in others:
            continue
        with path.open("rb") as file:
            is_weights = is_tensors(file.read(9))
        if oid not in current if is_weights else hold(path, remains):
            gone.add(oid)
    gone |= {oid for oid, listing in listings.items() if not gone.isdisjoint(listing.values())}
    return [path for path in _objects(objects) if path.parent.name + path.name in gone]


def _objects(objects: Path) -> list[Path]:
    return sorted(path for path in objects.glob("??/*") if path.is_file())


def _listings(objects: Path) -> dict[str, Mapping[str, str]]:
    """Return for each folder by its id the md5 of each file by its name."""
    found: dict[str, Mapping[str, str]] = {}
    for path in objects.glob(f"??/*{_DIR}"):
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            found[path.parent.name + path.name] = {entry["relpath"]: entry["md5"] for entry in entries}
        except (OSError, ValueError, KeyError, TypeError):
            # Nobody can use it, and it names no text.
            continue
    return found
