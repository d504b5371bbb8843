"""How long a change waits until its vectors are served: by the times of files and of releases."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lorag.params import Params
from lorag.params_file import load_params
from lorag.releases.record import DocumentEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.use_cases.init_workspace import template
from lorag.use_cases.refresh.embedding_lag import EmbeddingLag, changed_at, measure_lag
from lorag.workspace import Workspace
from tests.releases.test_shelf import release

SERVED_S = datetime.fromisoformat(release(2).created_utc).timestamp()


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    shelf = ReleaseShelf(Workspace(tmp_path).state)
    before = replace(release(1), created_utc=datetime.fromtimestamp(SERVED_S - 600, UTC).isoformat())
    shelf.publish(before, expected_served=None)
    for name, age_s in (("near.md", 10), ("far.md", 50), ("kept.md", 900), ("older.md", 700), ("again.md", -5)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (SERVED_S - age_s, SERVED_S - age_s))
    return Workspace(tmp_path)


def params(source: Path) -> Params:
    found = load_params(template("params.yaml"))
    return found.model_copy(
        update={"knowledge": found.knowledge.model_copy(update={"source": str(source), "origin": None})}
    )


def made(generation: int, **since: int) -> Release:
    documents = {f"{name}.md": DocumentEntry("1", name, number) for name, number in since.items()}
    return replace(release(generation), documents=documents)


def test_only_what_is_new_or_changed_in_the_release_counts(workspace: Workspace) -> None:
    # What was edited again after it was read waits for the next release, and a record has no file. A file from before
    # the last release is only read in another way now.
    two = made(2, near=2, far=2, kept=1, again=2, record=2, older=2)
    assert measure_lag(two, workspace, params(workspace.root)) == EmbeddingLag(30, 50, 2)


def test_a_first_release_and_one_without_changes_have_no_lag(workspace: Workspace) -> None:
    assert measure_lag(made(1, near=1), workspace, params(workspace.root)) is None
    assert measure_lag(made(2, kept=1), workspace, params(workspace.root)) is None


def test_records_were_written_with_their_file(workspace: Workspace) -> None:
    records = workspace.root / "documents.jsonl"
    records.touch()
    os.utime(records, (7, 7))
    found = changed_at(["near.md", "record"], workspace, params(workspace.root))
    assert found == {"near.md": SERVED_S - 10, "record": 7}
    assert changed_at(["record"], workspace, params(records)) == {"record": 7}
    assert changed_at(["record"], workspace, params(workspace.root / "gone")) == {}
