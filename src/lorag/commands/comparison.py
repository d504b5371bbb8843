"""Commands that compare the strategies."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import check as console_check
from lorag.console import claims as console_claims
from lorag.console import compare as console_compare
from lorag.console import terminal as console
from lorag.console import timeline as console_timeline
from lorag.errors import ExitStatus, ParamsError, WorkspaceError
from lorag.integrations.prefect.own_server import wait_for_own_server
from lorag.strategies import AdapterKind
from lorag.workspace import Workspace

commands = typer.Typer()


@commands.command(epilog="Example: lorag compare --limit 30")
def compare(
    context: typer.Context,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="Ask only this many questions, chosen by hash.")
    ] = None,
    last: Annotated[bool, typer.Option("--last", help="Show the last comparison again; nothing is run.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as for a pull request.")] = False,
    as_json: Json = False,
) -> None:
    """Ask all strategies the same questions of the served release, and show quality, speed and cost side by side.

    Known answers are not generated again. Nothing is trained: a strategy whose adapter is missing is left out.
    """
    if last and limit is not None:
        raise ParamsError("--last and --limit", do="give one of them")
    if markdown and as_json:
        raise ParamsError("--markdown and --json", do="give one of them")
    workspace, _ = open_workspace(context)
    result = _read_last(workspace) if last else _compare(workspace, limit, debug=context.obj.debug)
    show = console_compare.show_markdown if markdown else console_compare.show_comparison
    console.show(result, lambda: show(result), as_json=as_json)


def _compare(workspace: Workspace, limit: int | None, *, debug: bool) -> dict[str, Any]:
    with console.standard_output_kept_clean():
        console.start_prefect(workspace.state, debug=debug)
        from flows.compare_strategies import compare_strategies

        wait_for_own_server()
        return compare_strategies(str(workspace.root), limit=limit).to_json()


def _read_last(workspace: Workspace) -> dict[str, Any]:
    from lorag.use_cases.judge.read_reports import read_report

    found: dict[str, Any] | None = read_report(workspace.last_comparison, dict)
    if found is None:
        raise WorkspaceError("nothing was compared here yet", where=str(workspace.root), do="run `lorag compare`")
    return found


@commands.command(epilog="Example: lorag check --against origin/main --markdown")
def check(
    context: typer.Context,
    against: Annotated[str, typer.Option(help="A commit, branch or tag that holds reports/.", metavar="REVISION")],
    across_corpora: Annotated[
        bool,
        typer.Option("--across-corpora", help="Also compare questions whose words or answers were edited."),
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown, as for a pull request.")] = False,
    as_json: Json = False,
) -> None:
    """Compare the evaluation with that of another git revision, question by question; exit status 4 for a loss.

    It runs nothing: it reads what `lorag refresh` and `lorag compare` left in reports/, here and at the revision. A
    loss is a figure that is lower beyond its paired interval.
    """
    from lorag.use_cases.compare.check_revision import check_revision

    if markdown and as_json:
        raise ParamsError("--markdown and --json", do="give one of them")
    workspace, params = open_workspace(context)
    result = check_revision(against, workspace, params, across_corpora=across_corpora).to_json()
    show = console_check.show_check_markdown if markdown else console_check.show_check
    console.show(result, lambda: show(result), as_json=as_json)
    if not result["passed"]:
        raise typer.Exit(ExitStatus.GATE)


@commands.command(epilog="Example: lorag timeline knowledge/v1 knowledge/v2 knowledge/v3 --adapter tuned")
def timeline(
    context: typer.Context,
    versions: Annotated[
        list[Path] | None,
        typer.Argument(help="A folder for each version: documents and questions.jsonl.", metavar="DIR..."),
    ] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="Or one folder with two files that name a version on each line.", metavar="DIR")
    ] = None,
    into: Annotated[Path, typer.Option(help="The folder of the walk.", metavar="DIR")] = Path("build/timeline"),
    adapter: Annotated[list[AdapterKind] | None, typer.Option(help="Only this adapter; may be repeated.")] = None,
    once: Annotated[
        list[AdapterKind] | None,
        typer.Option(help="Train this adapter until one is published, then keep it; may be repeated."),
    ] = None,
    no_retrain: Annotated[bool, typer.Option("--no-retrain", help="Train no adapter.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="Ask about this many facts only.")] = None,
    as_json: Json = False,
) -> None:
    """Walk the versions of the knowledge: what each update costs, how soon answers are right, what is forgotten.

    The walk has its own workspace with the settings of this one. A walk that was killed resumes where it stopped.
    """
    if bool(versions) == bool(snapshots):
        raise ParamsError(
            "no versions, or versions twice", do="name a folder for each version, or one with --snapshots"
        )
    if no_retrain and (adapter or once):
        raise ParamsError(f"--no-retrain and {'--adapter' if adapter else '--once'}", do="give one of them")
    workspace, params = open_workspace(context)
    adapters = () if no_retrain else tuple(adapter or params.tuning.adapters)
    if absent := [kind for kind in once or () if kind not in adapters]:
        raise ParamsError(f"{absent[0]} is not trained in this walk", where="--once", do="name it with --adapter, too")
    from lorag.use_cases.timeline.split_snapshots import snapshot_files, split_snapshots
    from lorag.use_cases.timeline.timeline_walk import read_version

    given = [read_version(path) for path in versions or ()]
    if snapshots is not None:
        given = split_snapshots(*snapshot_files(snapshots), into.with_name(f"{into.name}_versions"))
    with console.standard_output_kept_clean():
        console.start_prefect(workspace.state, debug=context.obj.debug)
        from flows.walk_timeline import walk_timeline

        wait_for_own_server()
        outcome = walk_timeline(str(workspace.root), given, str(into), adapters, limit, once or ())
    result = outcome.to_json()
    console.show(result, lambda: console_timeline.show_timeline(result), as_json=as_json)


@commands.command(epilog="Example: lorag claims --timeline build/timeline --json")
def claims(
    context: typer.Context,
    timeline: Annotated[
        Path | None,
        typer.Option(help="The folder of a walk; if left out, the last walk over all facts.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which claims about RAG and fine-tuning hold here, and which strategy suits which use, as measured.

    Nothing is run: a claim without figures is printed with the command that measures it.
    """
    from lorag.use_cases.judge.judge_claims import judge_workspace

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        result = judge_workspace(workspace, params, os.environ, timeline).to_json()
    console.show(result, lambda: console_claims.show_claims(result), as_json=as_json)
