"""LanceDB's client, and what it does not do for a table's folder: durability and the removal of single versions."""

import logging
import os
import sys
from collections.abc import Collection, Iterator
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_REMOTE_API = "lance_namespace_urllib3_client"
_MAGIC = b"LANC"
_NEWEST_FIRST = 2**64 - 1


def import_lancedb() -> Any:
    """Import and return lancedb; it takes a third of a second, and reads its log level while it is imported."""
    # Its warnings are about tables that are about to be created.
    os.environ.setdefault("LANCEDB_LOG", "error")
    _skip_remote_api()
    import lancedb

    return lancedb


def _skip_remote_api() -> None:
    """Keep the client of LanceDB's remote service out of the import: half a second for what is never called.

    LanceDB imports the types of its requests, and the package that holds them imports its generated API first. Here the
    package is there without its own contents; its modules are imported from it as ever.
    """
    if _REMOTE_API in sys.modules or (spec := find_spec(_REMOTE_API)) is None:
        return
    sys.modules[_REMOTE_API] = module_from_spec(spec)


def manifest_path(table: Path, version: int) -> Path:
    """Return the path of a table version's manifest; names count down, so that the newest sorts first."""
    return table / "_versions" / f"{_NEWEST_FIRST - version:020d}.manifest"


def drop_manifests(table: Path, keep: Collection[int]) -> int:
    """Remove every version's manifest except those in `keep`; return the number removed.

    The client cleans up by age alone and fails on tags, so it cannot keep versions 3 and 9 without those between. The
    clean-up that follows frees the data that no manifest names any more.
    """
    kept = {manifest_path(table, version).name for version in keep}
    dropped = [path for path in _manifests(table) if path.name not in kept]
    for path in dropped:
        path.unlink()
    return len(dropped)


def set_aside_broken_manifests(table: Path, altered: Collection[str] = ()) -> int:
    """Rename manifests without their closing magic number, and those that `altered` names; return the number renamed.

    LanceDB writes them in one piece, so such a file is damage and not a write in progress. While it is the newest, no
    version of the table opens.
    """
    broken = [path for path in _manifests(table) if path.name in altered or not _is_whole(path)]
    for path in broken:
        logger.warning("set aside a broken manifest of %s: %s", table.name, path.name)
        path.rename(path.with_suffix(".broken"))
    return len(broken)


def _manifests(table: Path) -> Iterator[Path]:
    return (table / "_versions").glob("*.manifest")


def _is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size < len(_MAGIC):
            return False
        file.seek(size - len(_MAGIC))
        return file.read() == _MAGIC
