"""S23: links and folders that somebody left under the names of temporary files are not written to.

Where several people write in one folder, one of them could make lorag replace a file of another one that way.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lorag.integrations.erasing import erase_lines
from lorag.integrations.sqlite_url import sqlite_url
from lorag.integrations.word_files import _replace as replace_words
from lorag.params_file import load_params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.durable import replace_durably
from lorag.service.keys import write_private
from lorag.use_cases.asking.unlogged_costs import _replace as replace_costs
from lorag.use_cases.init_workspace import template
from lorag.use_cases.operate.back_up import _new_file
from lorag.use_cases.operate.forget_stores import _rewrite as rewrite_without
from lorag.use_cases.refresh.snapshot_source import snapshot_folder
from lorag.use_cases.serve.query_log import _drop_before, append_line

OTHERS = "what another person wrote"


def back_up_to(file: Path) -> None:
    with _new_file(file) as archive:
        archive.writestr("a", "b")


def drop_lines(file: Path) -> None:
    append_line(file, {"at": "2026-01-01"})
    append_line(file, {"at": "2026-03-01"})
    _drop_before(file, "at", "2026-02-01")


def erase_a_line(file: Path) -> None:
    file.write_text("one\ntwo\n")
    erase_lines(file, lambda line: "two" in line, dry=False)


def rewrite(file: Path) -> None:
    file.write_bytes(b"one\ntwo\n")
    rewrite_without(file, lambda data: data.replace(b"two\n", b""), dry=False)


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "records, reports, settings": (".file.tmp", lambda file: replace_durably(file, "text")),
    "keys": (".file.tmp", lambda file: write_private(file, {"a": 1})),
    "costs": ("file.tmp", lambda file: replace_costs(file, {"a": 1})),
    "questions asked": (".file.tmp", drop_lines),
    "lists without a document": (".file.tmp", erase_a_line),
    "backups": (".file.partial", back_up_to),
    "words": (f"file.{os.getpid()}.{threading.get_ident()}.tmp", lambda file: replace_words(file, b"words")),
    "caches without a document": (".file.tmp", rewrite),
}


@pytest.mark.parametrize("plant", ["link", "dead link", "folder"])
@pytest.mark.parametrize("writer", WRITERS)
def test_what_was_planted_is_not_written_to(tmp_path: Path, writer: str, plant: str) -> None:
    name, write = WRITERS[writer]
    shared, own = tmp_path / "shared", tmp_path / "own"
    shared.mkdir()
    own.mkdir()
    (own / "file").write_text(OTHERS)
    target = {"link": own / "file", "dead link": own / "not there", "folder": own}[plant]
    (shared / name).symlink_to(target)
    write(shared / "file")
    assert (shared / "file").is_file() and not (shared / "file").is_symlink()
    assert (own / "file").read_text() == OTHERS and [path.name for path in own.iterdir()] == ["file"]


def test_a_copy_of_the_source_is_written_to_no_link(tmp_path: Path) -> None:
    origin, copy, own = tmp_path / "docs", tmp_path / "copy", tmp_path / "own"
    origin.mkdir()
    copy.mkdir()
    (origin / "a.md").write_text("# A\n\nThe lamp is lit at 8:30.\n")
    own.write_text(OTHERS)
    (copy / ".snapshot.tmp").symlink_to(own)
    snapshot_folder(origin, copy, load_params(template("params.yaml")).knowledge)
    assert "8:30" in (copy / "a.md").read_text() and own.read_text() == OTHERS


def test_an_adapter_is_kept_in_no_planted_folder(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "adapters").mkdir()
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(b"weights")
    (tmp_path / "adapters" / ".incoming").symlink_to(tmp_path / "own", target_is_directory=True)
    with pytest.raises(Exception, match="cannot keep the adapter"):
        AdapterShelf(tmp_path / "adapters").keep({weights.name: weights})
    assert not list((tmp_path / "own").iterdir())


def test_a_name_for_a_database_is_no_planted_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORAG_HOME", str(tmp_path / "home"))
    (folder := tmp_path / "a?b").mkdir()
    link = Path(sqlite_url(folder / "x.db").removeprefix("sqlite:///")).parent
    link.unlink()
    link.symlink_to(tmp_path / "elsewhere")
    assert Path(sqlite_url(folder / "x.db").removeprefix("sqlite:///")).parent.resolve() == folder
