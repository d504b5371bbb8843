"""Row 72 of the bad-input catalogue in a workspace that serves: one line, a fixed status, and the same release."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lorag.cli import run
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
