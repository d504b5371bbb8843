"""The review by key, on a real terminal of its own, and the lines that an editor gets."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from pathlib import Path

from lorag.console.questions import as_text, marked_passage, read_edit
from lorag.drafting.records import read_drafts
from lorag.questions.questions import read_questions
from lorag.use_cases.draft.drafts_file import DraftsFile
from lorag.use_cases.init_workspace import init_workspace
from lorag.workspace import Workspace
from tests.drafting.test_records import DRAFT


def _workspace(folder: Path, n: int) -> Workspace:
    (folder / "docs").mkdir()
    (folder / "docs" / "piers.md").write_text("# Piers\n\nThe lamp is lit at 18:30.\n")
    workspace = init_workspace(folder / "w", folder / "docs", None)
    drafts = DraftsFile.of(workspace, None)
    for number in range(1, n + 1):
        drafts.append(DRAFT.model_copy(update={"id": f"draft-{number}", "question": f"When is lamp {number} lit?"}))
    return workspace


def _press(workspace: Workspace, keys: str, **environment: str) -> str:
    """What the terminal shows when each key is pressed once the keys are listed again."""
    terminal, other = pty.openpty()
    command = [sys.executable, "-m", "lorag.cli", "--workspace", str(workspace.root), "questions", "review"]
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "200", **environment}
    running = subprocess.Popen(command, stdin=other, stdout=other, stderr=other, env=settings, close_fds=True)
    os.close(other)
    shown = ""
    while select.select([terminal], [], [], 120)[0]:
        try:
            piece = os.read(terminal, 65_536).decode(errors="replace")
        except OSError:
            break
        if not piece:
            break
        for _ in range(piece.count("[q]uit")):
            if keys:
                _wait_until_keys_are_read(terminal)
                os.write(terminal, keys[0].encode())
                keys = keys[1:]
        shown += piece
    assert running.wait(timeout=60) == 0
    os.close(terminal)
    return shown


def _wait_until_keys_are_read(terminal: int) -> None:
    """Wait for the raw mode: what is pressed before it is discarded when it begins."""
    deadline = time.monotonic() + 60
    while termios.tcgetattr(terminal)[3] & termios.ICANON and time.monotonic() < deadline:
        time.sleep(0.01)


def test_one_key_decides_about_each_draft(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, 4)
    shown = _press(workspace, "asdq")
    statuses = [draft.status.value for draft in read_drafts(workspace.root / "drafts.jsonl")]
    assert statuses == ["accepted", "open", "dropped", "open"]
    assert [each.id for each in read_questions(workspace.root / "data" / "questions.jsonl")] == ["draft-1"]
    assert "When is lamp 1 lit?" in shown and "piers.md" in shown and "18:30" in shown
    assert "1 accepted, 1 dropped, 2 open" in shown


def test_an_editor_changes_what_is_accepted(tmp_path: Path) -> None:
    workspace = _workspace(tmp_path, 1)
    editor = tmp_path / "editor.sh"
    editor.write_text("#!/bin/sh\nsed -i 's/^question: .*/question: When do they light it?/; /^trained/d' \"$1\"\n")
    editor.chmod(0o755)
    _press(workspace, "e", EDITOR=str(editor), VISUAL=str(editor))
    (question,) = read_questions(workspace.root / "data" / "questions.jsonl")
    assert (question.question, question.phrasings, question.answers) == ("When do they light it?", (), ("18:30",))


def test_what_is_edited_is_read_as_it_was_written() -> None:
    edit = read_edit(as_text(DRAFT))
    assert edit is not None
    assert (edit.question, edit.answers) == (DRAFT.question, DRAFT.answers)
    assert (edit.phrasings, edit.held_out_phrasings) == (DRAFT.phrasings, DRAFT.held_out_phrasings)
    assert read_edit("# nothing is left\n") is None


def test_the_sentence_is_marked_in_a_long_passage() -> None:
    long = DRAFT.model_copy(update={"passage": "Before it. " * 200 + DRAFT.sentence + " Behind it." * 200})
    text = marked_passage(long)
    assert len(text) < 1_200
    (span,) = [span for span in text.spans if "reverse" in str(span.style)]
    assert text.plain[span.start : span.end] == DRAFT.sentence
