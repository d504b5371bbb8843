"""With knowledge.approve_new_sources, files in folders that are new are not read until somebody names their folder."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from lorag.cli import run
from lorag.errors import ParamsError
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.parsing.source_folder import REJECTED_FILE
from lorag.knowledge.artifacts import read_rejected
from lorag.knowledge.documents import Reason
from lorag.knowledge.source_report import report_on_source
from lorag.params_file import load_params
from lorag.releases.audit import read_audit
from lorag.use_cases.change_params import change_params
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.refresh import steps
from lorag.use_cases.refresh.pipeline import read_source
from lorag.use_cases.refresh.snapshot_source import COPIED_FILE, read_copied
from lorag.workspace import Workspace


def write(folder: Path, pages: Mapping[str, str]) -> None:
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"# Page\n\n{text}\n")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """One whose source was read once, with two new folders and a new file since."""
    docs = tmp_path / "docs"
    write(docs, {"a.md": "The lamp is lit at 8.", "piers/b.md": "The pier is 30 metres long."})
    made = init_workspace(tmp_path / "w", docs, None)
    change_params(made.params_file, {"knowledge": {"approve_new_sources": True}})
    made.state.mkdir()
    steps.snapshot(made, load_params(made.params_file))
    write(docs, {"c.md": "The galley opens at 7.", "piers/d.md": "The pier is old."})
    write(docs, {"inbox/x.md": "The lamp is lit at 9.", "inbox/deep/y.md": "So it is.", "piers/new/z.md": "Indeed."})
    return made


def copied(workspace: Workspace) -> list[str]:
    return (workspace.root / "data" / "source" / COPIED_FILE).read_text().split()


def pending(workspace: Workspace) -> list[str]:
    rejected = read_rejected(workspace.root / "data" / "source" / REJECTED_FILE)
    return [item.name for item in rejected if item.reason is Reason.PENDING]


def test_new_folders_wait_and_what_is_new_in_a_known_one_does_not(workspace: Workspace) -> None:
    params = load_params(workspace.params_file)
    for _ in range(2):
        steps.snapshot(workspace, params)
        assert copied(workspace) == ["a.md", "c.md", "piers/b.md", "piers/d.md"]
        assert pending(workspace) == ["inbox/deep/y.md", "inbox/x.md", "piers/new/z.md"]
    assert not list((workspace.root / "data" / "source").rglob("x.md"))


def test_what_waits_is_reported_of_the_copy_and_of_the_source(workspace: Workspace) -> None:
    knowledge = load_params(workspace.params_file).knowledge
    copy, origin = workspace.resolve(knowledge.source), workspace.root.parent / "docs"
    steps.snapshot(workspace, load_params(workspace.params_file))
    with BlobCache(workspace.cache_file) as cache:
        corpora = [read_source(copy, knowledge, cache)]
        corpora.append(read_source(origin, knowledge, cache, copied=read_copied(copy, knowledge)))
    for corpus in corpora:
        assert [each.id for each in corpus.documents] == ["a.md", "c.md", "piers/b.md", "piers/d.md"]
        report = report_on_source(corpus.documents, corpus.rejected)
        assert {name: found.first for name, found in report.pending.items()} == {
            "inbox": ("inbox/x.md",),
            "inbox/deep": ("inbox/deep/y.md",),
            "piers/new": ("piers/new/z.md",),
        }


def test_a_folder_that_is_named_is_read_with_all_below_it_from_then_on(workspace: Workspace) -> None:
    params = load_params(workspace.params_file)
    steps.snapshot(workspace, params, approve=["inbox"])
    assert pending(workspace) == ["piers/new/z.md"]
    assert {"inbox/x.md", "inbox/deep/y.md"} < set(copied(workspace))
    steps.snapshot(workspace, params)
    assert {"inbox/x.md", "inbox/deep/y.md"} < set(copied(workspace))
    assert read_audit(workspace.state)[-1]["action"] == "approve"


def test_a_name_that_nothing_waits_under_changes_nothing(workspace: Workspace) -> None:
    params = load_params(workspace.params_file)
    for folder in ("piers/n", "inbo", ".", "..", "/", "", "inbox/x.md", "../docs/inbox"):
        with pytest.raises(ParamsError, match="nothing waits in"):
            steps.snapshot(workspace, params, approve=[folder])
    assert copied(workspace) == ["a.md", "piers/b.md"]


def test_nothing_waits_unless_it_was_asked_for(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    change_params(workspace.params_file, {"knowledge": {"approve_new_sources": False}})
    params = load_params(workspace.params_file)
    with pytest.raises(ParamsError, match="nothing waits for an approval"):
        steps.snapshot(workspace, params, approve=["inbox"])
    steps.snapshot(workspace, params)
    assert len(copied(workspace)) == 7 and not pending(workspace)
    text = workspace.params_file.read_text().replace("approve_new_sources: false", "approve_new_sources: true")
    origin = next(line for line in text.splitlines() if line.startswith("  origin:"))
    workspace.params_file.write_text(text.replace(origin, "  origin: null"))
    assert run(["--workspace", str(workspace.root), "status"]) == 2
    assert "needs an origin" in capsys.readouterr().err
