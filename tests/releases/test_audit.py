"""The audit log: a line for each act, in a chain that a change by hand breaks."""

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest

from lorag.errors import IntegrityFailed
from lorag.releases.audit import AUDIT, HEAD, Action, note_action, read_audit

Damage = Callable[[list[str]], list[str]]

DAMAGES: dict[str, Damage] = {
    "edited": lambda lines: [lines[0].replace("reader", "nobody"), *lines[1:]],
    "deleted first": lambda lines: lines[1:],
    "deleted in the middle": lambda lines: [lines[0], *lines[2:]],
    "deleted last": lambda lines: lines[:-1],
    "all deleted": lambda _: [],
    "reordered": lambda lines: [lines[1], lines[0], *lines[2:]],
    "added": lambda lines: [*lines, '{"n": 4, "action": "serve", "previous": "' + "0" * 64 + '"}\n'],
    "twice": lambda lines: [*lines, lines[-1]],
    "no JSON": lambda lines: [*lines[:2], "rubbish\n"],
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    note_action(tmp_path, Action.ADD_KEY, name="reader")
    note_action(tmp_path, Action.SERVE, release="000001-aa", instead_of=None)
    note_action(tmp_path, Action.SERVE, release="000002-bb", instead_of="000001-aa")
    return tmp_path


def test_each_act_is_a_line_that_only_the_owner_reads(state: Path) -> None:
    lines = read_audit(state)
    assert [(line["n"], line["action"]) for line in lines] == [(1, "add_key"), (2, "serve"), (3, "serve")]
    assert (lines[2]["release"], lines[2]["instead_of"], lines[0]["name"]) == ("000002-bb", "000001-aa", "reader")
    assert lines[0]["utc"].endswith("+00:00") and lines[0]["user"]
    assert (state / AUDIT).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_change_by_hand_is_found(state: Path, damage: str) -> None:
    lines = (state / AUDIT).read_text().splitlines(keepends=True)
    (state / AUDIT).write_text("".join(DAMAGES[damage](lines)))
    with pytest.raises(IntegrityFailed, match=AUDIT):
        read_audit(state)


@pytest.mark.parametrize("text", [None, "", "[]", '{"n": "many"}'])
def test_a_head_that_is_gone_or_damaged_is_found(state: Path, text: str | None) -> None:
    (state / HEAD).unlink()
    if text is not None:
        (state / HEAD).write_text(text)
    with pytest.raises(IntegrityFailed, match=HEAD):
        read_audit(state)


def test_a_log_that_is_gone_is_found(state: Path) -> None:
    (state / AUDIT).unlink()
    with pytest.raises(IntegrityFailed, match="3 lines were written, and not these 0"):
        read_audit(state)


def test_a_name_cannot_forge_a_line(state: Path) -> None:
    note_action(state, Action.REMOVE_KEY, name='x\n{"n": 5}\u2028\ud800\x1b[31m')
    assert len(read_audit(state)) == 4
    assert (state / AUDIT).read_bytes().count(b"\n") == 4


def test_what_a_killed_writer_left_is_no_damage(state: Path) -> None:
    head = (state / HEAD).read_text()
    note_action(state, Action.FORGET)
    (state / HEAD).write_text(head)
    assert len(read_audit(state)) == 4, "killed before the head was written"
    with (state / AUDIT).open("a") as file:
        file.write('{"n": 5, "act')
    assert len(read_audit(state)) == 4
    note_action(state, Action.FORGET)
    assert [line["n"] for line in read_audit(state)] == [1, 2, 3, 4, 5]


def _note_many(state: Path) -> None:
    for _ in range(5):
        note_action(state, Action.FORGET)


def test_several_processes_note_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_note_many, args=(tmp_path,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [line["n"] for line in read_audit(tmp_path)] == list(range(1, 16))
    assert json.loads((tmp_path / HEAD).read_text())["n"] == 15


def test_nothing_was_noted_yet(tmp_path: Path) -> None:
    assert read_audit(tmp_path) == []
