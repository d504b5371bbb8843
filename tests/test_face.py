"""`from lorag import Workspace`; its example runs on a refreshed workspace in e2e/test_refresh.py."""

import subprocess
import sys
from collections.abc import Callable

import pytest

import lorag
from lorag import Workspace
from lorag.errors import LoragError
from lorag.use_cases.init_workspace import init_workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("face")
    (folder / "docs").mkdir()
    (folder / "docs" / "berths.md").write_text("# Berths\n\nBerth 4 is 7.25 metres deep.\n")
    init_workspace(folder / "handbook", folder / "docs", None)
    return Workspace.open(folder / "handbook" / "data")


def test_it_is_opened_from_a_folder_inside_and_reads_the_params_as_they_are_now(workspace: Workspace) -> None:
    assert workspace.root.name == "handbook"
    path = workspace.paths.params_file
    text = path.read_text()
    path.write_text(text.replace("top_k: 5", "top_k: 4"))
    assert workspace.params.search.top_k == 4
    path.write_text(text)
    assert workspace.params.search.top_k == 5


def test_status_is_a_record(workspace: Workspace) -> None:
    found = workspace.status()
    assert (found.served, found.is_up_to_date, found.changes.added) == (None, False, ("berths.md",))


BAD: dict[str, tuple[Callable[[Workspace], object], str]] = {
    "no workspace": (lambda w: Workspace.open("/"), "not inside a workspace"),
    "no question": (lambda w: w.ask(" "), "the question is empty"),
    "no query": (lambda w: w.search(""), "the query is empty"),
    "unknown strategy": (lambda w: w.ask("How deep?", strategy="magic"), "no strategy 'magic'"),
    "nothing served": (lambda w: w.search("How deep?"), "nothing is served yet"),
}


@pytest.mark.parametrize("case", BAD)
def test_errors_are_those_of_the_commands(case: str, workspace: Workspace) -> None:
    call, said = BAD[case]
    with pytest.raises(LoragError, match=said):
        call(workspace)


def test_the_import_is_light_and_knows_nothing_else() -> None:
    code = (
        "import sys, lorag; lorag.Workspace.open; print([m for m in ('dvc', 'prefect', 'torch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    with pytest.raises(AttributeError, match="no attribute 'Workspac'"):
        _ = lorag.Workspac
