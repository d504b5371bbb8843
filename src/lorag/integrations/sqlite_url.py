"""Addresses of SQLite files, of which each library has its own idea if their path has signs of an address."""

import os
import re
from contextlib import suppress
from pathlib import Path

from lorag.digests import sha256_hex
from lorag.integrations.models.cache import home_folder

_PLAIN = re.compile(r"[\w/ .,+=@~&()'!-]+")
"""Paths that all of them read alike."""


def sqlite_url(path: Path, driver: str = "sqlite") -> str:
    """Return the address of the database in that file, an absolute path.

    Some libraries take `%41` for `A`, some do not, and all cut a path at `?`: the folder of such a path is named by a
    link beside the converted models.
    """
    folder = path.parent if _PLAIN.fullmatch(str(path.parent)) else _link_to(path.parent)
    return f"{driver}:///{folder / path.name}"


def _link_to(folder: Path) -> Path:
    link = home_folder() / "places" / sha256_hex(os.fsencode(folder))[:16]
    with suppress(OSError):
        if link.readlink() == folder:
            return link
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(folder, target_is_directory=True)
    temporary.replace(link)
    return link
