"""Row 72 of the bad-input catalogue in a workspace that serves: one line, a fixed status, and the same release."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from hypothesis import strategies as st

from lorag.cli import run
from lorag.errors import ExitStatus
from lorag.failpoints import FAILPOINT, TEST
from lorag.interrupt import INTERRUPTED, SAID
from lorag.releases.durable import writer_lock
from lorag.use_cases.serve.manage_releases import check_releases
from tests.fuzz import CASES, NASTY, fuzz
from tests.test_cli import COMMANDS
from tests.use_cases.conftest import Place, make_place


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = make_place(tmp_path_factory.mktemp("served"))
    place.refresh()
    (place.source / "new.md").write_text("# Crane\n\nThe crane lifts 40 tonnes.\n")
    place.refresh()
    return place


@pytest.fixture
def unchanged(served: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """The workspace, beside a folder that is not empty; afterwards both are as they were."""
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine")
    monkeypatch.chdir(tmp_path)
    before = served.shelf.served()
    yield served
    assert served.shelf.served() == before
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [full / "mine.txt"]


REFUSED = {
    "a file for a workspace": (["--workspace", "{w}/params.yaml", "status"], 2, "no such folder"),
    "the top of the disk": (["--workspace", "/", "status"], 2, "not inside a workspace"),
    "rollback to an empty name": (["rollback", ""], 2, "no release ''"),
    "rollback to all": (["rollback", "*"], 2, "no release '*'"),
    "rollback to a path": (["rollback", "../../../etc/passwd"], 2, "no release"),
    "rollback to what never was": (["rollback", "999"], 2, "no release"),
    "a search as of a path": (["search", "berth", "--as-of", "../releases/x"], 2, "no release"),
    "a filter that is none": (["search", "berth", "--where", "team"], 2, "KEY=VALUE"),
    "a key with a path for a name": (["keys", "add", "../x"], 2, "../x"),
    "the removal of all keys": (["keys", "remove", "*"], 2, "'*'"),
    "the last comparison where there was none": (["compare", "--last"], 2, "nothing was compared"),
    "a backup into the workspace": (["backup", "{w}/b.zip"], 2, "in what it backs up"),
    "a backup over a file": (["backup", "full/mine.txt"], 2, "exists"),
    "a backup among the documents": (["backup", "{docs}/b.zip"], 2, "in what it backs up"),
    "a restore of what is none": (["restore", "full/mine.txt", "new"], 7, "full/mine.txt"),
    "a restore of a device": (["restore", "/dev/zero", "new"], 2, "no such backup"),
    "a restore of a folder": (["restore", "full", "new"], 2, "no such backup"),
    "a restore over a folder in use": (["restore", "full/mine.txt", "full"], 2, "new or empty"),
    "questions that are not there": (
        ["evaluate", "retrieval", "--documents", "{docs}", "--questions", "no.jsonl"],
        3,
        "no.jsonl",
    ),
    "an adapter once that is not trained": (
        ["timeline", "v1", "v2", "--adapter", "tuned", "--once", "hybrid"],
        2,
        "--once",
    ),
    "a review without drafts": (["questions", "review", "--accept", "*"], 3, "draft"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_command_that_cannot_be_done_changes_nothing(
    case: str, unchanged: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    words, status, reason = REFUSED[case]
    places = {"w": str(unchanged.workspace.root), "docs": str(unchanged.source)}
    arguments = [word.format(**places) for word in words]
    if words[0] != "--workspace":
        arguments = ["--workspace", places["w"], *arguments]
    assert run(arguments) == status
    said = capsys.readouterr().err
    assert said.startswith("error[E0") and reason in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("command", ["refresh", "retrain"])
def test_a_second_writer_is_told_before_anything_is_started(
    command: str, unchanged: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorag.console.terminal.start_prefect", lambda *_, **__: pytest.fail("it was started"))
    # Held from a command's first look on, while its flow has not begun.
    with writer_lock(unchanged.workspace.command_lock_file):
        assert run(["--workspace", str(unchanged.workspace.root), command]) == ExitStatus.BUSY
    assert "another refresh, retrain or rollback is running" in capsys.readouterr().err


def test_an_interrupt_that_comes_twice_leaves_what_was_served(unchanged: Place) -> None:
    environment = {**os.environ, TEST: "1", FAILPOINT: "rollback.verified:stop"}
    command = [sys.executable, "-m", "lorag.cli", "--workspace", str(unchanged.workspace.root), "rollback"]
    # A shell makes what it starts in the background deaf to interrupts, and these tests may run there.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=heard) as process:
        # It has stopped itself in the middle of its work.
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
        for number in (signal.SIGINT, signal.SIGCONT, signal.SIGINT):
            with suppress(ProcessLookupError):
                process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert set(said.splitlines()) == {SAID.strip()}
    checks = check_releases(unchanged.workspace, unchanged.params, {})
    assert [check.problem for check in checks if check.problem] == []


STARTS = {"up", "down", "serve", "watch", "worker", "mcp", "deploy", "refresh", "retrain", "compare", "timeline"}
STARTS |= {"seeds", "search-params", "questions draft", "questions review", "init", "models", "backup", "restore"}
"""They would start or write something: only their options are tried, outside of any workspace."""
OPTIONS = ("--json", "--help", "--where", "--as-of", "-k", "--top-k", "--strategy", "--limit", "--last", "--adapter")
WORDS = ("berth 4", "1", "0", "-1", "1e9", "nan", "team=harbour", "=", "tuned", "rag", ".", "/", "nope/x", "--")


@CASES
def test_a_command_line_of_any_words_ends_with_a_status_and_one_line(
    served: Place,
    cases: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = st.lists(st.one_of(st.sampled_from([*OPTIONS, *WORDS]), st.sampled_from(NASTY)), max_size=5)

    def check(given: tuple[list[str], list[str]]) -> None:
        names, rest = given
        inside = [] if " ".join(names) in STARTS else ["--workspace", str(served.workspace.root)]
        before = served.shelf.served()
        # A system gives neither NUL nor half a character.
        status = run([*inside, *names, *(word for word in rest if word not in ("\0", "\ud800"))])
        said = capsys.readouterr().err
        assert status in set(ExitStatus) - {ExitStatus.DEFECT}, said
        assert "Traceback" not in said and said.count("error[") <= 1, said
        assert status == ExitStatus.OK or "error[" in said or names == ["doctor"], (status, said)
        assert served.shelf.served() == before or (names, status) == (["rollback"], ExitStatus.OK)
        for left in tmp_path.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()

    fuzz(cases, st.tuples(st.sampled_from(COMMANDS), words), check)
