"""The ledger of forgotten documents: what it keeps out, that it holds no text, and what becomes of a damaged one."""

from pathlib import Path

import pytest

from lorag.errors import IntegrityFailed
from lorag.releases.forgotten import LEDGER, Forgotten, add_all, allow_again, forget, read_forgotten
from lorag.releases.record import DocumentEntry
from lorag.strategies import AdapterKind

NAME, VERSION, BYTES = "log/harbour.md", "a" * 64, "b" * 64


def test_a_document_is_kept_out_by_any_of_its_names_and_contents_and_by_nothing_else(tmp_path: Path) -> None:
    assert read_forgotten(tmp_path) == Forgotten() and not read_forgotten(tmp_path).names(NAME)
    forget(tmp_path, [NAME, "copy.md"], [VERSION, BYTES])
    out = read_forgotten(tmp_path)
    assert out.names(NAME) and out.names("copy.md") and not out.names("harbour.md")
    assert out.has_content(BYTES) and out.covers("renamed.md", VERSION) and not out.covers("other.md", "c" * 64)
    release = {
        NAME: DocumentEntry("d" * 64, ""),
        "renamed.md": DocumentEntry(VERSION, ""),
        "x.md": DocumentEntry("", ""),
    }
    assert out.covered(release) == {NAME, "renamed.md"}


def test_the_ledger_holds_no_name_and_no_digest_that_others_could_compute(tmp_path: Path) -> None:
    forget(tmp_path, [NAME], [VERSION])
    text = (tmp_path / LEDGER).read_text()
    assert "harbour" not in text and VERSION not in text
    (tmp_path / "other").mkdir()
    forget(tmp_path / "other", [NAME], [VERSION])
    assert read_forgotten(tmp_path).entries[0].names != read_forgotten(tmp_path / "other").entries[0].names


def test_a_second_time_adds_what_is_new_to_the_same_entry(tmp_path: Path) -> None:
    forget(tmp_path, [NAME], [VERSION], [AdapterKind.TUNED])
    once = (tmp_path / LEDGER).read_bytes()
    forget(tmp_path, [NAME], [VERSION])
    assert (tmp_path / LEDGER).read_bytes() == once
    forget(tmp_path, [NAME], [BYTES], [AdapterKind.HYBRID])
    (entry,) = read_forgotten(tmp_path).entries
    assert len(entry.contents) == 2 and read_forgotten(tmp_path).left_service() == set(AdapterKind)


def test_an_adapter_is_affected_by_its_lineage_and_by_an_unknown_one(tmp_path: Path) -> None:
    assert not Forgotten().taught({})
    forget(tmp_path, [NAME], [VERSION])
    out = read_forgotten(tmp_path)
    assert out.taught({"x.md": "1", NAME: "an older version"}) and out.taught({"renamed.md": VERSION})
    assert out.taught({}) and not out.taught({"x.md": "1"})


def test_a_document_is_let_in_again_by_its_name_or_its_content(tmp_path: Path) -> None:
    forget(tmp_path, [NAME], [BYTES])
    forget(tmp_path, ["x.md"], [])
    assert not allow_again(tmp_path, "y.md", ["c" * 64])
    assert allow_again(tmp_path, "renamed.md", [BYTES]) and not read_forgotten(tmp_path).names(NAME)
    assert read_forgotten(tmp_path).names("x.md") and allow_again(tmp_path, "x.md", [])
    assert read_forgotten(tmp_path) == Forgotten()


def test_ledgers_of_two_workspaces_are_joined_with_their_own_keys(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        forget(tmp_path / name, [f"{name}.md"], [])
    for _ in range(2):
        add_all(tmp_path / "one", read_forgotten(tmp_path / "two"))
    out = read_forgotten(tmp_path / "one")
    assert out.names("one.md") and out.names("two.md") and len(out.entries) == 2


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b'{"entries": [], "sha256": "0"}', b"\xff"])
def test_a_damaged_ledger_is_no_empty_one(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / LEDGER).write_bytes(damage)
    with pytest.raises(IntegrityFailed, match="damaged ledger"):
        read_forgotten(tmp_path)
