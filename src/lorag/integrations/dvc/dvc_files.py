"""DVC's own files, read without DVC, whose import takes a second: what they say, and whether it is still there."""

import configparser
import hashlib
import json
import os
import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

_STAGE = re.compile(r"^  (?P<name>[^\s:][^:]*):\s*$", re.MULTILINE)
_OUTPUT = re.compile(
    r"^    - path: (?P<path>artifacts/\S+)\n      hash: md5\n      md5: (?P<md5>[0-9a-f]{32})$", re.MULTILINE
)
_MD5 = re.compile(r"\bmd5: (?P<oid>[0-9a-f]{32}(?:\.dir)?)\b")


def locked_stages(root: Path, names: Collection[str]) -> str:
    """Return the part of dvc.lock on these stages, as text; empty if nothing was reproduced yet."""
    return "".join(_each_locked(root, names))


def _each_locked(root: Path, names: Collection[str]) -> Iterator[str]:
    text = _read(root / "dvc.lock")
    starts = [*_STAGE.finditer(text)]
    ends = (*(start.start() for start in starts[1:]), len(text))
    yield from (text[start.start() : end] for start, end in zip(starts, ends, strict=False) if start["name"] in names)


def stored_objects(root: Path, text: str) -> list[str]:
    """Return which of the objects that `text` names, from dvc.lock or a `.dvc` file, are in the workspace's cache.

    DVC runs a stage again if one is missing. Only a cache folder that the workspace's own configuration names is found.
    """
    objects = _cache_folder(root) / "files" / "md5"
    return sorted({oid for found in _MD5.finditer(text) for oid in _with_content(found["oid"], objects)})


def altered_objects(root: Path) -> list[str]:
    """Return the objects in the workspace's cache whose bytes are not those of their name, as paths below `root`.

    Only those are read that dvc.lock or a `.dvc` file of the data names.
    """
    texts = [_read(root / "dvc.lock"), *(_read(path) for path in sorted((root / "data").glob("*.dvc")))]
    objects = _cache_folder(root) / "files" / "md5"
    paths = (objects / oid[:2] / oid[2:] for oid in stored_objects(root, "\n".join(texts)))
    return [os.path.relpath(path, root) for path in paths if _md5(path) != _md5_in(path)]


def altered_outputs(root: Path, names: Collection[str]) -> list[str]:
    """Return which of these stages' output files are there and not as dvc.lock has them, as paths below `root`.

    What a stage writes now, or was writing when it was killed, is left out: dvc.lock gets its digest at the end.
    """
    written = _being_written(root)
    # A stage after it names the same file, and has the digest that it read until it runs again.
    outputs = (text.partition("\n    outs:\n")[2] for text in _each_locked(root, names))
    found = [one for text in outputs for one in _OUTPUT.finditer(text) if one["path"] not in written]
    return [one["path"] for one in found if (root / one["path"]).is_file() and _md5(root / one["path"]) != one["md5"]]


def damaged_outputs(root: Path, names: Collection[str]) -> list[str]:
    """Return the `altered_outputs` whose bytes no stage has written.

    DVC stores the object of an output before dvc.lock has its digest, and may be killed between the two.
    """
    objects = _cache_folder(root) / "files" / "md5"
    altered = altered_outputs(root, names)
    return [path for path in altered if not any(_with_content(_md5(root / path), objects))]


def _being_written(root: Path) -> set[str]:
    """Return the outputs, below `root`, that DVC noted before it began to write them and has not freed since."""
    try:
        noted = json.loads((root / ".dvc" / "tmp" / "rwlock").read_text(encoding="utf-8"))
        return {os.path.relpath(path, root.absolute()) for path in noted["write"]}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _md5_in(path: Path) -> str:
    return (path.parent.name + path.name).removesuffix(".dir")


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


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
