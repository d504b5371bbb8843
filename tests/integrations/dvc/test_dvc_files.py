"""DVC's own files without DVC: what is damaged among them."""

import hashlib
from pathlib import Path

import pytest

from lorag.integrations.dvc.dvc_files import altered_objects, altered_outputs, damaged_outputs


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with an artifact, its object, and a folder of data of two files."""
    chunks, pages = b"a chunk", [b"page 1", b"page 2"]
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "artifacts" / "chunks.jsonl").write_bytes(chunks)
    listing = str([{"md5": md5(page), "relpath": f"{n}.md"} for n, page in enumerate(pages)]).replace("'", '"').encode()
    for data, suffix in ((chunks, ""), (listing, ".dir"), *((page, "") for page in pages)):
        oid = md5(data) + suffix
        path = tmp_path / ".dvc" / "cache" / "files" / "md5" / oid[:2] / oid[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    outs = f"    outs:\n    - path: artifacts/chunks.jsonl\n      hash: md5\n      md5: {md5(chunks)}\n      size: 7\n"
    (tmp_path / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  chunks:\n    cmd: x\n{outs}")
    (tmp_path / "data" / "source.dvc").write_text(f"outs:\n- md5: {md5(listing)}.dir\n  path: source\n")
    return tmp_path


def test_every_object_with_a_flipped_bit_is_named(root: Path) -> None:
    assert altered_objects(root) == []
    objects = sorted((root / ".dvc" / "cache" / "files").rglob("*/??/*"))
    assert len(objects) == 4
    for path in objects:
        content = path.read_bytes()
        if path.suffix != ".dir":
            path.write_bytes(bytes([content[0] ^ 16]) + content[1:])
            assert altered_objects(root) == [str(path.relative_to(root))]
        path.write_bytes(content)


def test_an_artifact_with_a_flipped_bit_is_named_and_a_missing_one_is_not(root: Path) -> None:
    path = root / "artifacts" / "chunks.jsonl"
    assert altered_outputs(root, ["chunks"]) == []
    path.write_bytes(b"A chunk")
    assert altered_outputs(root, ["chunks"]) == ["artifacts/chunks.jsonl"]
    assert altered_outputs(root, ["documents"]) == []
    path.unlink()
    assert altered_outputs(root, ["chunks"]) == []


def test_what_a_stage_had_stored_when_it_was_killed_before_it_was_locked_is_no_damage(root: Path) -> None:
    path = root / "artifacts" / "chunks.jsonl"
    path.write_bytes(b"page 2")
    assert (altered_outputs(root, ["chunks"]), damaged_outputs(root, ["chunks"])) == (["artifacts/chunks.jsonl"], [])
    path.write_bytes(b"page 3")
    assert damaged_outputs(root, ["chunks"]) == ["artifacts/chunks.jsonl"]


@pytest.mark.parametrize("noted", ['{"write": {"%s": {"pid": 7}}}', '{"read": {"%s": []}}', '{"wri', "[]"])
def test_what_a_killed_stage_was_writing_is_no_damage(root: Path, noted: str) -> None:
    path = root / "artifacts" / "chunks.jsonl"
    path.write_bytes(b"half a chu")
    (root / ".dvc" / "tmp").mkdir()
    (root / ".dvc" / "tmp" / "rwlock").write_text(noted.replace("%s", str(path)))
    assert bool(altered_outputs(root, ["chunks"])) == ('"write"' not in noted)


def test_a_stage_that_has_not_run_again_yet_names_what_it_read_before(root: Path) -> None:
    path = root / "artifacts" / "chunks.jsonl"
    old = md5(path.read_bytes())
    path.write_bytes(b"a new chunk")
    lock = (root / "dvc.lock").read_text().replace(old, md5(b"a new chunk"))
    deps = (
        f"  validation:\n    cmd: y\n    deps:\n    - path: artifacts/chunks.jsonl\n      hash: md5\n      md5: {old}\n"
    )
    (root / "dvc.lock").write_text(f"{lock}  validation:\n    cmd: y\n{deps}      size: 7\n")
    assert altered_outputs(root, ["chunks", "validation"]) == []
