"""Adapters are whole or absent, verified when opened, and go with the last release that names them."""

from pathlib import Path

import pytest

from lorag.errors import IntegrityFailed
from lorag.releases.adapter_shelf import CONFIG, SUMS, WEIGHTS, AdapterShelf, adapter_sha256
from tests.releases.test_record import TUNED, with_adapter
from tests.releases.test_shelf import release


def made(folder: Path, weights: bytes = b"weights") -> dict[str, Path]:
    folder.mkdir(parents=True)
    for name, content in ((WEIGHTS, weights), (CONFIG, b"{}"), ("training.json", b"{}")):
        (folder / name).write_bytes(content)
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    return AdapterShelf(tmp_path / "adapters")


def test_what_is_kept_opens_again(shelf: AdapterShelf, tmp_path: Path) -> None:
    sha256 = shelf.keep(made(tmp_path / "made"))
    assert sha256 == adapter_sha256(tmp_path / "made")
    folder = shelf.open(sha256)
    assert sorted(path.name for path in folder.iterdir()) == sorted([WEIGHTS, CONFIG, "training.json", SUMS])
    assert [path.name for path in shelf.folder.iterdir()] == [sha256], "nothing is left beside it"


def test_weights_and_config_name_it_and_nothing_else(tmp_path: Path) -> None:
    names = set()
    for number, changed in enumerate([None, WEIGHTS, CONFIG, "training.json"]):
        files = made(tmp_path / str(number))
        if changed:
            files[changed].write_bytes(b"other")
        names.add(adapter_sha256(tmp_path / str(number)))
    assert len(names) == 3


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG])
def test_damage_is_noticed_and_mended_by_keeping_it_again(shelf: AdapterShelf, tmp_path: Path, name: str) -> None:
    files = made(tmp_path / "made")
    sha256 = shelf.keep(files)
    (shelf.folder / sha256 / name).write_bytes(b"weighty")
    with pytest.raises(IntegrityFailed, match="not what was published"):
        shelf.open(sha256)
    (shelf.folder / sha256 / name).unlink()
    with pytest.raises(IntegrityFailed, match=f"no {name}"):
        shelf.open(sha256)
    assert shelf.keep(files) == sha256
    assert shelf.open(sha256).is_dir()


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, "training.json", SUMS])
def test_one_flipped_bit_in_any_file_is_found_and_the_file_is_named(
    shelf: AdapterShelf, tmp_path: Path, name: str
) -> None:
    sha256 = shelf.keep(made(tmp_path / "made"))
    path = shelf.folder / sha256 / name
    path.write_bytes(bytes([path.read_bytes()[0] ^ 4]) + path.read_bytes()[1:])
    with pytest.raises(IntegrityFailed, match=f"bytes changed in {name}"):
        shelf.open(sha256)


def test_a_missing_adapter_is_one_clear_error(shelf: AdapterShelf) -> None:
    with pytest.raises(IntegrityFailed, match="not there"):
        shelf.open("0" * 64)


def test_what_a_killed_writer_left_is_cleared(shelf: AdapterShelf, tmp_path: Path) -> None:
    (shelf.folder / ".incoming").mkdir(parents=True)
    (shelf.folder / ".incoming" / "half").write_bytes(b"x")
    sha256 = shelf.keep(made(tmp_path / "made"))
    assert not (shelf.folder / sha256 / "half").exists()


def test_an_adapter_that_is_half_there_is_never_kept(shelf: AdapterShelf, tmp_path: Path) -> None:
    files = made(tmp_path / "made")
    del files[CONFIG]
    with pytest.raises(IntegrityFailed, match=f"no {CONFIG}"):
        shelf.keep(files)
    assert list(shelf.folder.iterdir()) == []


def test_retention_keeps_what_a_retained_release_names(shelf: AdapterShelf, tmp_path: Path) -> None:
    old, new = (shelf.keep(made(tmp_path / name, name.encode())) for name in ("old", "new"))
    shelf.retain([release(3), with_adapter(release(4), TUNED.__class__("x", new, "b", "t", "f", {}, {}))])
    assert shelf.open(new).is_dir()
    assert not (shelf.folder / old).exists()


def test_retention_without_any_adapter_is_no_error(shelf: AdapterShelf) -> None:
    shelf.retain([release(1)])
    assert not shelf.folder.exists()
