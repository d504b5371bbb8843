"""Objects that hold a document, in the cache and in remotes, and none of the others."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from lorag.integrations.dvc.objects import holding_objects, names_of_copies, object_folders, rows_naming
from lorag.knowledge.remains import remains_of

COPIED, RECORDS = ".copied.txt", "documents.jsonl"
REMAINS = remains_of(["a.md"], ["it says quetzal7f3a9c"])


@pytest.fixture
def objects(tmp_path: Path) -> Path:
    return tmp_path / "files" / "md5"


def put(objects: Path, data: bytes, end: str = "") -> str:
    name = hashlib.md5(data, usedforsecurity=False).hexdigest() + end
    (objects / name[:2]).mkdir(parents=True, exist_ok=True)
    (objects / name[:2] / name[2:]).write_bytes(data)
    return name


def put_folder(objects: Path, files: dict[str, bytes]) -> str:
    entries = [{"md5": put(objects, data), "relpath": name} for name, data in files.items()]
    return put(objects, json.dumps(entries).encode(), ".dir")


def test_what_holds_it_is_found_by_name_by_text_and_by_what_it_is_made_of(objects: Path) -> None:
    mine, quoting, records = b"# mine\n", b"as quetzal7f3a9c says", b'{"id": "a.md"}\n'
    copy = put_folder(objects, {COPIED: b"a.md\nb.md\n", "a.md": mine, "b.md": quoting, f"x/{RECORDS}": records})
    clean = put_folder(objects, {COPIED: b"b.md\n", "b.md": quoting})
    page = put_folder(objects, {"index.html": b"<p>quetzal7f3a9c</p>", "other.html": b"<p>nothing</p>"})
    old, new = (put(objects, save({"x": np.full(2, value)})) for value in (1, 2))
    lines = put(objects, b'{"id": "b.md"}\n{"id": "a.md", "blocks": []}\n')
    damaged = put(objects, b"not JSON", ".dir")

    found = {
        path.parent.name + path.name for path in holding_objects(objects, REMAINS, COPIED, (COPIED, RECORDS), [new])
    }
    by_text = [hashlib.md5(data, usedforsecurity=False).hexdigest() for data in (mine, records, b"a.md\nb.md\n")]
    assert found == {
        copy,
        page,
        old,
        lines,
        *by_text,
        hashlib.md5(b"<p>quetzal7f3a9c</p>", usedforsecurity=False).hexdigest(),
    }
    assert not found & {clean, new, damaged, hashlib.md5(quoting, usedforsecurity=False).hexdigest()}
    assert set(names_of_copies(objects, COPIED)) == {COPIED, "a.md", "b.md", f"x/{RECORDS}"}
    assert [row["id"] for row in rows_naming(objects, ["a.md"])] == ["a.md", "a.md"]


def test_remotes_are_found_and_the_cache_is_not_one_of_them(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text(
        f"['remote \"own\"']\n    url = {tmp_path}/.dvc/cache\n['remote \"nas\"']\n    url = ../nas\n"
        "['remote \"bucket\"']\n    url = s3://x/y\n[core]\n    remote = own\n"
    )
    found = {each.name: each.path.resolve() if each.path else None for each in object_folders(tmp_path, "cache")}
    assert found == {
        "cache": tmp_path / ".dvc/cache/files/md5",
        "nas": tmp_path / "nas/files/md5",
        "bucket": None,
    }
