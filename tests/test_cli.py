"""Flags that cannot be used: one line, a fixed exit status, no traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from lorag.cli import app, options_first, run

BAD_FLAGS = {
    "unknown command": (["statu"], 2, "Did you mean 'status'"),
    "unknown flag": (["status", "--jsn"], 2, "No such option"),
    "missing value": (["init", "x", "--source"], 2, "--source"),
    "missing argument": (["ask"], 2, "Missing argument"),
    "not a number": (["search", "x", "-k", "many"], 2, "valid integer"),
    "out of range": (["search", "x", "-k", "0"], 2, "greater than or equal to 1"),
    "unknown retriever": (["search", "x", "--retriever", "sparse"], 2, "'dense', 'bm25', 'fused'"),
    "unknown strategy": (["ask", "x", "--strategy", "magic"], 2, "choose one of base, rag, tuned, hybrid"),
    "a writer that is none": (["questions", "draft", "--writer", "me"], 2, "'forms', 'model', 'both'"),
    "empty question": (["ask", " "], 2, "the question is empty"),
    "a walk without versions": (["timeline"], 2, "no versions, or versions twice"),
    "a walk with versions twice": (["timeline", "v1", "--snapshots", "x"], 2, "no versions, or versions twice"),
    "an adapter that is not retrained": (["timeline", "v1", "v2", "--no-retrain", "--adapter", "tuned"], 2, "give one"),
    "a comparison to run and the last one": (["compare", "--last", "--limit", "3"], 2, "--last and --limit"),
    "a comparison in two forms": (["compare", "--markdown", "--json"], 2, "--markdown and --json"),
    "a check of a plan with a load": (["plan", "--check", "--queries-per-day", "3"], 2, "give it alone"),
    "workspace that is not there": (["--workspace", "/nope", "status"], 2, "no such folder"),
    "an option of no kind": (["search", "x", "--retriever", "foo"], 2, "Invalid value for '--retriever': 'foo' is not"),
    "missing source": (["init", "x", "--source", "/nope"], 3, "no such source"),
    "a source of no kind": (
        ["init", "x", "--source", "/etc/passwd"],
        3,
        "neither a folder nor a file that can be read",
    ),
}


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, status, reason = BAD_FLAGS[case]
    assert run(arguments) == status
    said = capsys.readouterr().err
    assert said.startswith("error[E0")
    assert reason in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [], "nothing is made on the way"


HELP_TO_READ = {
    "unknown command": (["statu"], "lorag"),
    "unknown subcommand": (["evaluate", "retrievl"], "lorag evaluate"),
    "no subcommand": (["evaluate"], "lorag evaluate"),
    "unknown flag of a subcommand": (["evaluate", "retrieval", "--jsn"], "lorag evaluate retrieval"),
    "unknown flag after a value": (["--workspace", ".", "status", "--jsn"], "lorag status"),
    "option without its value": (["--workspace"], "lorag"),
}


@pytest.mark.parametrize("case", HELP_TO_READ)
def test_a_bad_command_line_names_a_help_that_exists(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, command = HELP_TO_READ[case]
    assert run(arguments) == 2
    assert f"see `{command} --help`" in capsys.readouterr().err


def test_strangers_11_the_workspace_may_be_named_behind_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["status", "--workspace", "/nope"]) == 2
    assert "/nope" in capsys.readouterr().err
    assert options_first(["search", "--", "--workspace"]) == ["search", "--", "--workspace"]
    assert options_first(["ask", "x", "--workspace"]) == ["ask", "x", "--workspace"]


def test_faults_15_a_defect_and_a_query_that_is_not_utf8_have_the_status_that_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    assert run(["init", str(tmp_path / "w"), "--source", str(tmp_path / "docs")]) == 0
    monkeypatch.chdir(tmp_path / "w")
    for arguments in (["search", "berth \udcff"], ["ask", "\udcff"], ["search", "berth", "--where", "team=\udcff"]):
        capsys.readouterr()
        assert run(arguments) == 2
        assert "not UTF-8" in capsys.readouterr().err

    def fail(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("lorag.use_cases.serve.search.search_workspace", fail)
    status = run(["search", "berth", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert (said["error"]["code"], said["exit_status"], status) == ("E000", 1, 1)


def test_outside_a_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["refresh", "--json"]) == 2
    said = capsys.readouterr()
    assert "not inside a workspace" in said.err
    assert json.loads(said.out)["error"]["code"] == "E002"
    assert json.loads(said.out)["exit_status"] == 2


def test_a_second_init_and_a_workspace_inside_its_source_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "a.md").write_text("# A\n\nText.\n")
    assert run(["init", str(docs / "inside"), "--source", str(docs)]) == 2
    assert run(["init", str(tmp_path / "w"), "--source", str(docs)]) == 0
    params = (tmp_path / "w" / "params.yaml").read_text()
    assert run(["init", str(tmp_path / "w"), "--source", str(docs)]) == 2
    assert "already" in capsys.readouterr().err
    assert (tmp_path / "w" / "params.yaml").read_text() == params


@pytest.mark.parametrize("rule", ["data/", "*.lock", "reports"])
def test_a_repository_that_ignores_what_a_refresh_commits_is_refused_and_left_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.\n")
    own = tmp_path / "own"
    subprocess.run(["git", "init", "--quiet", str(own)], check=True)
    (own / ".gitignore").write_text(f"{rule}\n")
    assert run(["init", str(own), "--source", str(tmp_path / "docs")]) == 2
    assert "git check-ignore -v" in capsys.readouterr().err
    assert {path.name for path in own.iterdir()} == {".git", ".gitignore"}

    (own / ".gitignore").write_text("build/\n")
    assert run(["init", str(own), "--source", str(tmp_path / "docs")]) == 0


@pytest.mark.parametrize("name", ["data/source/own.md", "data/questions.jsonl"])
def test_a_repository_that_holds_something_in_the_place_of_a_copy_is_refused_and_left_as_it_was(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nText.\n")
    (tmp_path / "q.jsonl").write_text('{"id": "1", "question": "?", "answers": ["Text"]}\n')
    own = tmp_path / "own"
    (own / name).parent.mkdir(parents=True)
    (own / name).write_text("Mine.\n")
    assert run(["init", str(own), "--source", str(tmp_path / "docs"), "--questions", str(tmp_path / "q.jsonl")]) == 2
    assert "would copy" in capsys.readouterr().err
    assert [path for path in own.rglob("*") if path.is_file()] == [own / name]


def command_names() -> list[list[str]]:
    """The words of each command that does something."""
    return list(_below(get_command(app)))


def _below(command: TyperCommand | TyperGroup, *above: str) -> Iterator[list[str]]:
    if not isinstance(command, TyperGroup):
        yield list(above)
        return
    for name, each in command.commands.items():
        yield from _below(each, *above, name)


COMMANDS = command_names()


def test_the_list_of_commands_is_whole() -> None:
    assert len(COMMANDS) > 20
    assert ["refresh"] in COMMANDS and ["search-params"] in COMMANDS and ["evaluate", "retrieval"] in COMMANDS


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_each_command_has_help_with_an_example(names: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*names, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Example: lorag {' '.join(names)}" in shown
    assert ("--json" in shown) == (names[0] not in RUN_UNTIL_STOPPED)


RUN_UNTIL_STOPPED = ("mcp", "serve", "watch", "worker")
"""They have no result, and so no `--json`."""


def test_a_shell_completes_the_commands() -> None:
    typed = {"_LORAG_COMPLETE": "complete_bash", "COMP_WORDS": "lorag re", "COMP_CWORD": "1"}
    code = "from lorag.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | typed, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["refresh", "releases", "retrain", "restore", "report"]


def test_completion_can_be_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    heavy = "torch transformers prefect mlflow lancedb great_expectations openvino dvc weaviate".split()
    code = f"import sys, lorag.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_closed_pipe_is_silent(tmp_path: Path) -> None:
    command = f"{sys.executable} -m lorag.cli --help | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr == ""
