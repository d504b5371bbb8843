"""Commands that hold the strategies against one another."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import claims as console_claims
from lorag.console import compare as console_compare
from lorag.console import terminal as console
from lorag.console import timeline as console_timeline
from lorag.errors import ParamsError
from lorag.strategies import AdapterKind

commands = typer.Typer()


@commands.command(epilog="Example: lorag compare --limit 30")
def compare(
    context: typer.Context,
    limit: Annotated[
        int | None, typer.Option(min=1, max=1_000_000, help="A look at so many questions, chosen by hash.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Ask all strategies the same questions from the served release: quality, speed and cost side by side.

    Answers that are known are not generated again. Nothing is trained: a strategy without an adapter is left out.
    """
    workspace, _ = open_workspace(context)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        from flows.compare_strategies import compare_strategies

        outcome = compare_strategies(str(workspace.root), limit=limit)
    result = outcome.to_json()
    console.show(result, lambda: console_compare.show_comparison(result), as_json=as_json)


@commands.command(epilog="Example: lorag timeline knowledge/v1 knowledge/v2 knowledge/v3 --adapter tuned")
def timeline(
    context: typer.Context,
    versions: Annotated[
        list[Path] | None,
        typer.Argument(help="A folder for each version: documents and questions.jsonl.", metavar="DIR..."),
    ] = None,
    snapshots: Annotated[
        Path | None, typer.Option(help="Or one folder whose two files name a version in each line.", metavar="DIR")
    ] = None,
    into: Annotated[Path, typer.Option(help="Where the walk is kept.", metavar="DIR")] = Path("build/timeline"),
    adapter: Annotated[list[AdapterKind] | None, typer.Option(help="Only this adapter; may be repeated.")] = None,
    no_retrain: Annotated[bool, typer.Option("--no-retrain", help="Train no adapter.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, max=1_000_000, help="A look at so many facts.")] = None,
    as_json: Json = False,
) -> None:
    """Walk the versions of the knowledge: what each update cost, how soon answers were right, what was forgotten.

    In a workspace of its own with the settings of this one. A walk that was killed goes on where it was.
    """
    if bool(versions) == bool(snapshots):
        raise ParamsError("no versions, or twice", do="name a folder for each version, or one with --snapshots")
    if no_retrain and adapter:
        raise ParamsError("--no-retrain and --adapter", do="give one of them")
    workspace, params = open_workspace(context)
    from lorag.use_cases.timeline.split_snapshots import snapshot_files, split_snapshots
    from lorag.use_cases.timeline.timeline_walk import read_version

    given = [read_version(path) for path in versions or ()]
    if snapshots is not None:
        given = split_snapshots(*snapshot_files(snapshots), into.with_name(f"{into.name}_versions"))
    adapters = () if no_retrain else tuple(adapter or params.tuning.adapters)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        from flows.walk_timeline import walk_timeline

        outcome = walk_timeline(str(workspace.root), given, str(into), adapters, limit)
    result = outcome.to_json()
    console.show(result, lambda: console_timeline.show_timeline(result), as_json=as_json)


@commands.command(epilog="Example: lorag claims --timeline build/timeline --json")
def claims(
    context: typer.Context,
    timeline: Annotated[
        Path | None,
        typer.Option(help="The folder of a walk; the last one over all facts if left out.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which claims on RAG and fine-tuning hold here, and which way suits which use, from what was measured.

    Nothing is run for it: a claim without figures is printed with the command that measures it.
    """
    from lorag.use_cases.judge.judge_claims import judge_workspace

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        result = judge_workspace(workspace, params, os.environ, timeline).to_json()
    console.show(result, lambda: console_claims.show_claims(result), as_json=as_json)
