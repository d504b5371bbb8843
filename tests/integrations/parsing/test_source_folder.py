import os
import socket
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from lorag.errors import InputRejected
from lorag.integrations.parsing import source_folder
from lorag.integrations.parsing.source_folder import SourceListing, escape_name, list_source, read_file
from lorag.knowledge.documents import Reason
from lorag.knowledge.formats import Quarantine

MAX_BYTES = 1_000


def listed(root: Path) -> SourceListing:
    return list_source(root, max_file_bytes=MAX_BYTES)


def verdicts(root: Path) -> dict[str, Reason]:
    return {item.name: item.reason for item in listed(root).rejected}


def names(root: Path) -> list[str]:
    return [file.id for file in listed(root).files]


def write(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_hidden_names_are_passed_over_and_unknown_formats_are_named(tmp_path: Path) -> None:
    for name in ("a.md", "sub/b.MD", ".git/c.md", ".dvc/d.md", "sub/.e.md", "~$f.docx", "x.css", "noext", "y.zip"):
        write(tmp_path / name)
    assert names(tmp_path) == ["a.md", "sub/b.MD"]
    assert verdicts(tmp_path) == dict.fromkeys(("noext", "x.css", "y.zip"), Reason.UNSUPPORTED)


def test_a_records_file_is_a_source(tmp_path: Path) -> None:
    path = write(tmp_path / "documents.jsonl", "{}")
    assert names(path) == ["documents.jsonl"]
    assert read_file(listed(path).root, listed(path).files[0], max_file_bytes=MAX_BYTES) == b"{}"


@pytest.mark.parametrize("name", ["nothing", "file.bin"])
def test_what_is_no_source_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "file.bin")
    with pytest.raises(InputRejected, match=name):
        listed(tmp_path / name)


def test_sizes_are_judged_without_reading(tmp_path: Path) -> None:
    write(tmp_path / "empty.md", "")
    with open(tmp_path / "sparse.md", "wb") as file:
        file.truncate(10 * 1024**3)
    started = time.process_time()
    found = verdicts(tmp_path)
    assert time.process_time() - started < 0.05
    assert found == {"empty.md": Reason.EMPTY, "sparse.md": Reason.TOO_LARGE}


class TestLinks:
    def test_links(self, tmp_path: Path) -> None:
        outside = write(tmp_path / "outside" / "o.md")
        root = tmp_path / "root"
        write(root / "docs" / "a.md")
        write(root / ".hidden" / "h.md")
        for name, target in {
            "in.md": root / "docs" / "a.md",
            "chain.md": "in.md",
            "out.md": outside,
            "relative.md": "../outside/o.md",
            "hidden.md": ".hidden/h.md",
            "self.md": "self.md",
            "dangling.md": "nowhere.md",
            "zero.md": "/dev/zero",
            "folder": "docs",
            "docs/up": "..",
            "away": outside.parent,
        }.items():
            (root / name).symlink_to(target)
        assert names(root) == ["chain.md", "docs/a.md", "in.md"]
        assert verdicts(root) == {
            "out.md": Reason.OUTSIDE_ROOT,
            "relative.md": Reason.OUTSIDE_ROOT,
            "hidden.md": Reason.OUTSIDE_ROOT,
            "away": Reason.OUTSIDE_ROOT,
            "self.md": Reason.SYMLINK_LOOP,
            "docs/up": Reason.SYMLINK_LOOP,
            "dangling.md": Reason.UNREADABLE,
            "zero.md": Reason.NOT_REGULAR,
        }
        data = {file.id: read_file(listed(root).root, file, max_file_bytes=MAX_BYTES) for file in listed(root).files}
        assert set(data.values()) == {b"text"}

    @pytest.mark.parametrize("swapped", ["sub", "sub/a.md"])
    def test_a_swap_for_a_link_after_the_listing_leads_nowhere(self, tmp_path: Path, swapped: str) -> None:
        secret = write(tmp_path / "outside" / "a.md", "SENTINEL")
        root = tmp_path / "root"
        write(root / "sub" / "a.md")
        listing = listed(root)
        (root / swapped).rename(tmp_path / "moved")
        (root / swapped).symlink_to(secret.parent if swapped == "sub" else secret)
        with pytest.raises(Quarantine) as caught:
            read_file(listing.root, listing.files[0], max_file_bytes=MAX_BYTES)
        assert caught.value.reason is Reason.CHANGED_DURING_READ


def test_pipes_and_sockets_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.md")
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        server.bind("socket.md")
        assert verdicts(tmp_path) == {"pipe.md": Reason.NOT_REGULAR, "socket.md": Reason.NOT_REGULAR}


def test_a_pipe_put_in_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    path = write(tmp_path / "a.md")
    listing = listed(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Quarantine) as caught:
        read_file(listing.root, listing.files[0], max_file_bytes=MAX_BYTES)
    assert caught.value.reason is Reason.NOT_REGULAR


def test_a_file_of_another_user_is_unreadable_and_the_others_go_on() -> None:
    # In a process without privileges, in a folder that it can reach: the superuser may read everything.
    script = """
import os, sys
from collections.abc import Callable
from pathlib import Path
from lorag.integrations.parsing.source_folder import list_source, read_file
from lorag.knowledge.formats import Quarantine
if os.geteuid() == 0:
    os.seteuid(65534)
listing = list_source(Path(sys.argv[1]), max_file_bytes=1000)
print([(item.name, str(item.reason)) for item in listing.rejected])
for file in listing.files:
    try:
        print(file.id, read_file(listing.root, file, max_file_bytes=1000))
    except Quarantine as verdict:
        print(file.id, verdict.reason)
"""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        write(root / "a.md")
        write(root / "closed.md").chmod(0)
        write(root / "sub" / "b.md")
        (root / "sub").chmod(0)
        result = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
        (root / "sub").chmod(0o755)
    assert result.stdout.splitlines() == ["[('sub', 'unreadable')]", "a.md b'text'", "closed.md unreadable"]


class TestChanges:
    def test_a_file_that_vanished_is_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.md")
        listing = listed(tmp_path)
        path.unlink()
        with pytest.raises(Quarantine) as caught:
            read_file(listing.root, listing.files[0], max_file_bytes=MAX_BYTES)
        assert caught.value.reason is Reason.CHANGED_DURING_READ

    @pytest.mark.parametrize(("writes", "outcome"), [(1, b"text+"), (9, Reason.CHANGED_DURING_READ)])
    def test_a_file_written_to_while_read_is_read_once_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int, outcome: bytes | Reason
    ) -> None:
        path = write(tmp_path / "a.md")
        left = [writes]
        real = source_folder._pieces

        def read_while_written(read: Callable[[int], bytes | None], limit: int) -> list[bytes]:
            pieces = list(real(read, limit))
            if left[0]:
                left[0] -= 1
                with open(path, "a") as file:
                    file.write("+")
            return pieces

        monkeypatch.setattr(source_folder, "_pieces", read_while_written)
        listing = listed(tmp_path)
        if isinstance(outcome, bytes):
            assert read_file(listing.root, listing.files[0], max_file_bytes=MAX_BYTES) == outcome
        else:
            with pytest.raises(Quarantine) as caught:
                read_file(listing.root, listing.files[0], max_file_bytes=MAX_BYTES)
            assert caught.value.reason is outcome

    def test_a_file_that_grew_beyond_the_limit_is_too_large(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.md")
        listing = listed(tmp_path)
        path.write_text("x" * (MAX_BYTES + 1))
        with pytest.raises(Quarantine) as caught:
            read_file(listing.root, listing.files[0], max_file_bytes=MAX_BYTES)
        assert caught.value.reason is Reason.TOO_LARGE


class TestNames:
    def test_odd_names_are_listed_escaped_and_read(self, tmp_path: Path) -> None:
        odd = {
            b"new\nline.md": r"new\x0aline.md",
            b"bad\xff.md": r"bad\udcff.md",
            b"-rf.md": "-rf.md",
            b"..a.md.md": None,
            "emoji \U0001f600.md".encode(): "emoji \U0001f600.md",
            b"back\\slash.md": r"back\\slash.md",
            b"\x1b[31mred.md": r"\x1b[31mred.md",
            "right\u202eleft.md".encode(): r"right\u202eleft.md",
            b"n" * 252 + b".md": "n" * 252 + ".md",
        }
        for name in odd:
            with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
                file.write(b"text")
        listing = listed(tmp_path)
        assert {file.id for file in listing.files} == {name for name in odd.values() if name}
        for file in listing.files:
            file.id.encode()  # any store can hold it
            assert read_file(listing.root, file, max_file_bytes=MAX_BYTES) == b"text"

    def test_case_and_composition_stay_two_names(self, tmp_path: Path) -> None:
        composed, decomposed = "caf\u00e9.md", unicodedata.normalize("NFD", "caf\u00e9.md")
        for name in ("A.md", "a.md", composed, decomposed):
            write(tmp_path / name)
        assert set(names(tmp_path)) == {"A.md", "a.md", composed, decomposed}

    def test_escaping_never_makes_two_names_one(self) -> None:
        assert escape_name("a\nb") != escape_name(r"a\x0ab")
