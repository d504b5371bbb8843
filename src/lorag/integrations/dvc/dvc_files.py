"""DVC's own files, read without DVC, whose import takes a second: what they say, and whether it is still there."""

import configparser
import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path

_STAGE = re.compile(r"^  (?P<name>[^\s:][^:]*):\s*$", re.MULTILINE)
_MD5 = re.compile(r"\bmd5: (?P<oid>[0-9a-f]{32}(?:\.dir)?)\b")


def locked_stages(root: Path, names: Collection[str]) -> str:
    """Return the part of dvc.lock on these stages, as text; empty if nothing was reproduced yet."""
    text = _read(root / "dvc.lock")
    starts = [*_STAGE.finditer(text)]
    ends = (*(start.start() for start in starts[1:]), len(text))
    parts = (text[start.start() : end] for start, end in zip(starts, ends, strict=False) if start["name"] in names)
    return "".join(parts)


def stored_objects(root: Path, text: str) -> list[str]:
    """Return which of the objects that `text` names, from dvc.lock or a `.dvc` file, are in the workspace's cache.

    DVC runs a stage again if one is missing. Only a cache folder that the workspace's own configuration names is found.
    """
    objects = _cache_folder(root) / "files" / "md5"
    return sorted({oid for found in _MD5.finditer(text) for oid in _with_content(found["oid"], objects)})


def _with_content(oid: str, objects: Path) -> Iterator[str]:
    path = objects / oid[:2] / oid[2:]
    if not path.is_file():
        return
    yield oid
    if oid.endswith(".dir"):
        for entry in json.loads(path.read_text(encoding="utf-8")):
            if (objects / entry["md5"][:2] / entry["md5"][2:]).is_file():
                yield entry["md5"]


def _cache_folder(root: Path) -> Path:
    folder = root / ".dvc"
    config = configparser.ConfigParser(strict=False, interpolation=None)
    config.read([folder / "config", folder / "config.local"], encoding="utf-8")
    return folder / config.get("cache", "dir", fallback="cache")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
