"""Commands on the knowledge and the served release."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import terminal as console
from lorag.errors import ExitStatus, ParamsError
from lorag.integrations.dvc.stage_process import start_stage_process
from lorag.integrations.prefect.own_server import wait_for_own_server
from lorag.workspace import find_workspace

commands = typer.Typer()


@commands.command(epilog="Example: lorag init handbook --source ~/docs --questions questions.jsonl")
def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make.", metavar="DIR")],
    source: Annotated[Path, typer.Option(help="A folder of documents, or a documents.jsonl.", metavar="DOCS")],
    questions: Annotated[Path | None, typer.Option(help="Questions with known answers.", metavar="FILE")] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The language model; `lorag models` lists those on this machine.", metavar="REFERENCE"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a workspace from a folder of documents, ready for `lorag refresh`."""
    from lorag.use_cases.init_workspace import init_workspace

    workspace = init_workspace(folder, source, questions, model)
    result = {"workspace": str(workspace.root), "source": str(source.resolve())}
    console.show(result, lambda: console.show_init(workspace.root), as_json=as_json)


@commands.command(epilog="Example: lorag upgrade")
def upgrade(context: typer.Context, as_json: Json = False) -> None:
    """Bring a workspace of an earlier version, or one that was moved, to this version and place."""
    from lorag.use_cases.upgrade_workspace import upgrade_workspace

    workspace = find_workspace(context.obj.start)
    changes = upgrade_workspace(workspace)
    result = {"workspace": str(workspace.root), "changes": [{"file": c.file, "what": list(c.said)} for c in changes]}
    console.show(result, lambda: console.show_upgrade(result), as_json=as_json)


@commands.command(epilog="Example: lorag refresh --json")
def refresh(
    context: typer.Context,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Write the whole index again.")] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Allow most of the index to be removed.")
    ] = False,
    allow_reingest: Annotated[
        list[str] | None,
        typer.Option(help="Read this document again, although it was forgotten; may be repeated.", metavar="DOCUMENT"),
    ] = None,
    approve: Annotated[
        list[str] | None,
        typer.Option(
            help="Read this folder, which is new, and all below it; may be repeated (knowledge.approve_new_sources).",
            metavar="FOLDER",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring the index up to date with the source, at the cost of what changed; no flow runs if nothing did.

    Exit status 3 means that some documents were quarantined; the others are served.
    """
    from lorag.releases.durable import writer_lock
    from lorag.use_cases.refresh.leave_out import let_in_again
    from lorag.use_cases.refresh.pending_work import skip_idle_refresh

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean(), writer_lock(workspace.command_lock_file):
        let_in_again(allow_reingest or (), workspace, params)
        # Everything else costs seconds before the first line of work: a look first.
        outcome = skip_idle_refresh(workspace, params, os.environ, rebuild=rebuild or bool(approve))
        if outcome is None:
            console.start_prefect(workspace.state, debug=context.obj.debug)
            start_stage_process()
            from flows.refresh_index import refresh_index
            from lorag.integrations.prefect.import_ahead import import_ahead

            import_ahead()
            wait_for_own_server()
            root = str(workspace.root)
            outcome = refresh_index(root, rebuild=rebuild, allow_shrink=allow_shrink, approve=approve or ())
    result = {**outcome.to_json(), "waited_s": round(context.obj.waited_s, 3)}
    console.show(result, lambda: console.show_refresh(result), as_json=as_json)
    if outcome.rejected:
        raise typer.Exit(ExitStatus.REJECTED)


@commands.command(epilog="Example: lorag status --json")
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show what is served, and what changed in the source since."""
    from lorag.use_cases.operate.keep_services import find_services, services_to_json
    from lorag.use_cases.serve.status import read_status

    workspace, params = open_workspace(context)
    result = read_status(workspace, params).to_json()
    result["services"] = services_to_json(find_services(workspace))
    console.show(result, lambda: console.show_status(result), as_json=as_json)


@commands.command(epilog="Example: lorag releases --card 3")
def releases(
    context: typer.Context,
    release: Annotated[
        str | None, typer.Argument(help="With --card: an id or a generation; if left out, the served release.")
    ] = None,
    card: Annotated[bool, typer.Option("--card", help="Print the card of one release, as Markdown.")] = False,
    as_json: Json = False,
) -> None:
    """List the retained releases, newest first, or print what is recorded of one of them.

    A card has the documents that changed, quality with intervals, costs, coverage, who may read it, and all digests.
    """
    workspace, params = open_workspace(context)
    if card:
        from lorag.reports.release_card import card_markdown
        from lorag.use_cases.judge.describe_release import describe_release

        with console.standard_output_kept_clean():
            found = describe_release(release, workspace, params, os.environ)
        console.show(found.to_json(), lambda: console.stream_text(card_markdown(found)), as_json=as_json)
        return
    if release is not None:
        raise ParamsError("a release without --card", where=release, do="add --card to see what is recorded of it")
    from lorag.releases.shelf import ReleaseShelf

    shelf = ReleaseShelf(workspace.state)
    served = shelf.used_id()
    rows = [console.release_row(each, is_served=each.id == served) for each in shelf.releases()]
    console.show({"served": served, "releases": rows}, lambda: console.show_releases(rows), as_json=as_json)


@commands.command(epilog="Example: lorag rollback 3")
def rollback(
    context: typer.Context,
    release: Annotated[
        str | None, typer.Argument(help="An id or a generation; if left out, the previous release.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Serve an older release again, at once; the next refresh updates its index but keeps its adapters."""
    from lorag.use_cases.serve.manage_releases import roll_back

    workspace, params = open_workspace(context)
    target = roll_back(workspace, params, os.environ, release)
    result = {"release": target.id, "generation": target.generation, "content_digest": target.content_digest}
    console.show(result, lambda: console.say(f"Release {target.id} is served."), as_json=as_json)


@commands.command(epilog="Example: lorag doctor --json")
def doctor(
    context: typer.Context,
    mend: Annotated[
        bool, typer.Option("--mend", help="First remove damaged releases, and serve the newest whole one.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check tools, models and every byte of the retained releases; exit status 7 if one is damaged.

    Exit status 5 means that nothing is damaged and something else is wrong, such as a nearly full disk.
    """
    from lorag.use_cases.operate.keep_services import check_services
    from lorag.use_cases.serve.examine import examine
    from lorag.use_cases.serve.manage_releases import mend_releases

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        mended = mend_releases(workspace, params, os.environ) if mend else []
        checks = [*examine(workspace, params, os.environ), *check_services(workspace)]
    listed = [{"name": check.name, "problem": check.problem, "detail": check.detail} for check in checks]
    result: dict[str, Any] = {"healthy": not any(c.problem for c in checks), "checks": listed, "mended": mended}
    console.show(result, lambda: console.show_checks(checks, mended), as_json=as_json)
    if not result["healthy"]:
        damaged = any(check.problem and check.is_damage for check in checks)
        raise typer.Exit(ExitStatus.INTEGRITY if damaged else ExitStatus.STORE)
