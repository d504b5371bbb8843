"""The digests of a table's files: LanceDB itself does not notice a flipped bit, least of all in its text index."""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from lorag.digests import digest_of
from lorag.errors import IntegrityFailed
from lorag.integrations.lancedb.files import manifest_path
from lorag.releases.durable import write_json_durably

# LanceDB writes every other file once, under a name that never comes again.
_REWRITTEN = ("_transactions/", "_versions/latest_version_hint.json")
_BROKEN = ".broken"


def sums_file(table: Path) -> Path:
    """Return the file with the digests, beside the table's folder."""
    return table.with_name(f"{table.name}.sums.json")


def write_sums(table: Path) -> None:
    """Write the sha256 of every file of the table; a file that is known keeps the digest that it had at first.

    So only new files are read. A file that is gone is forgotten.
    """
    known = _read_sums(table)
    sums = {name: known.get(name) or _sha256(table / name) for name in _files(table)}
    if sums != known:
        write_json_durably(sums_file(table), {"files": sums, "sha256": digest_of(sums)})


def altered_files(table: Path) -> list[str]:
    """Return the names of the files whose bytes are not those that were written, sorted; raises IntegrityFailed."""
    return [name for name, sha256 in sorted(_read_sums(table).items()) if _is_altered(table / name, sha256)]


def altered_files_of(table: Path, version: int) -> list[str]:
    """Return those of `altered_files` that a search of this version reads."""
    manifest = manifest_path(table, version)
    content = manifest.read_bytes() if manifest.is_file() else b""
    return [name for name in altered_files(table) if _belongs(name, manifest, content)]


def _belongs(name: str, manifest: Path, content: bytes) -> bool:
    """Return whether the manifest names the file: data by its name, an index by the bytes of its UUID.

    A file with deleted rows is named by numbers alone, so it belongs to every version.
    """
    folder, _, rest = name.partition("/")
    if folder == "_versions":
        return rest == manifest.name
    if folder == "data":
        return rest.encode() in content
    if folder == "_indices":
        try:
            return uuid.UUID(rest.partition("/")[0]).bytes in content
        except ValueError:
            return True
    return True


def _is_altered(path: Path, sha256: str) -> bool:
    try:
        return _sha256(path) != sha256
    except FileNotFoundError:
        # It belonged to a version that was dropped; if not, reading the version fails.
        return False


def _files(table: Path) -> Iterator[str]:
    for folder, _, names in os.walk(table):
        for path in (Path(folder, name) for name in names):
            name = path.relative_to(table).as_posix()
            if not name.startswith(_REWRITTEN) and path.suffix != _BROKEN:
                yield name


def _read_sums(table: Path) -> Mapping[str, str]:
    path = sums_file(table)
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if digest_of(value["files"]) != value["sha256"]:
            raise ValueError("they do not match their own digest")
        return dict(value["files"])
    except FileNotFoundError:
        # An earlier version wrote this index.
        return {}
    except (ValueError, KeyError, TypeError) as error:
        raise IntegrityFailed(f"damaged digests of the index: {error}", where=path.name, do=_DELETE) from error


_DELETE = "delete it; the next refresh writes it again"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
