"""Commands that let lorag run unattended."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import operate as console_operate
from lorag.console import terminal as console
from lorag.errors import ExitStatus
from lorag.workspace import find_workspace

commands = typer.Typer()


@commands.command(epilog="Example: lorag up --json")
def up(
    context: typer.Context,
    stay: Annotated[
        bool, typer.Option("--stay", help="Do not return, and start again what ends, as a process of `lorag up` does.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start Prefect server, MLflow UI, worker and watcher in the background, with all flows deployed.

    Refreshes then start by themselves. What already runs stays, and what ends by itself is started again.
    """
    from lorag.use_cases.operate.keep_services import find_services, keep_services
    from lorag.use_cases.operate.operate import KEEPER, SERVICES, say_ready, start_all

    workspace, params = open_workspace(context)
    # Prefect's settings for a command at a terminal, such as silence, are not for the services in the background.
    environment = dict(os.environ)
    only = [name for name in SERVICES if name != KEEPER] if stay else SERVICES
    if not stay or not find_services(workspace):
        with console.standard_output_kept_clean():
            console.set_up_prefect(workspace.state, debug=context.obj.debug)
            result = start_all(workspace, params, environment, only=only).to_json()
        console.show(result, lambda: console_operate.show_operation(result), as_json=as_json)
    if stay:
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        keep_services(workspace, params, environment, lambda: say_ready(workspace, KEEPER, os.getpid()))


@commands.command(epilog="Example: lorag down")
def down(context: typer.Context, as_json: Json = False) -> None:
    """Stop what `lorag up` started; the served release stays and can still be asked."""
    from lorag.use_cases.operate.operate import stop_all

    # params.yaml is not read: it may be invalid by now.
    stopped = stop_all(find_workspace(context.obj.start))
    console.show({"stopped": stopped}, lambda: console_operate.show_stopped(stopped), as_json=as_json)


@commands.command(epilog="Example: lorag backup /mnt/backups/handbook-2026-11-30.zip")
def backup(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="The file to make, outside the workspace.", metavar="FILE")],
    as_json: Json = False,
) -> None:
    """Write the workspace to one file: documents, releases, index, adapters, runs and git history.

    The releases are checked first. With LORAG_BACKUP_KEY the file is signed, and restored only with the same key.
    """
    from lorag.use_cases.operate.back_up import back_up

    result = back_up(find_workspace(context.obj.start), archive, os.environ).to_json()
    console.show(result, lambda: console_operate.show_backup(result), as_json=as_json)


@commands.command(epilog="Example: lorag restore /mnt/backups/handbook-2026-11-30.zip handbook")
def restore(
    archive: Annotated[Path, typer.Argument(help="A file that `lorag backup` made.", metavar="FILE")],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.", metavar="DIR")],
    forgotten: Annotated[
        Path | None,
        typer.Option(
            help="A copy of .lorag/forgotten.json, if the workspace that was backed up is not there.", metavar="LEDGER"
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a workspace of a backup; every file and every release is checked before the folder is there.

    What was forgotten since the backup is erased again.
    """
    from lorag.use_cases.operate.back_up import restore as restore_backup

    with console.standard_output_kept_clean():
        result = restore_backup(archive, folder, os.environ, forgotten=forgotten).to_json()
    console.show(result, lambda: console_operate.show_restored(result), as_json=as_json)


@commands.command(epilog="Example: lorag forget minutes/2026-03-02.md --yes")
def forget(
    context: typer.Context,
    document: Annotated[str, typer.Argument(help="The exact id, as `lorag search` prints it.", metavar="DOCUMENT")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only show where the document is.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a document: from answers at once, then from index, adapters, caches, runs and history of the workspace.

    It prints a receipt, and keeps it in .lorag/receipts. Without --yes nothing is changed, and the exit status is 2.
    """
    from lorag.use_cases.operate.forget import forget_document, plan_forget

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        work = forget_document if yes else plan_forget
        result = work(document, workspace, params, os.environ).to_json()
    console.show(result, lambda: console_operate.show_receipt(result), as_json=as_json)
    if not yes:
        raise typer.Exit(ExitStatus.USAGE)


@commands.command(epilog="Example: lorag deploy --json")
def deploy(context: typer.Context, as_json: Json = False) -> None:
    """Register the deployments of prefect.yaml with the schedules of params.yaml; repeat it after either changes."""
    from lorag.use_cases.operate.deploy_flows import deploy_flows

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        console.set_up_prefect(workspace.state, debug=context.obj.debug)
        result = deploy_flows(workspace, params, os.environ).to_json()
    console.show(result, lambda: console_operate.show_deployed(result), as_json=as_json)


@commands.command(epilog="Example: lorag watch --poll 60")
def watch(
    context: typer.Context,
    poll: Annotated[
        float | None, typer.Option(min=0.1, max=1e6, help="Seconds between two looks; if left out, schedules.poll_s.")
    ] = None,
) -> None:
    """Report changes of documents and questions to the Prefect server, until stopped; `lorag up` runs this."""
    from lorag.use_cases.operate.operate import say_looked, say_ready
    from lorag.use_cases.operate.watch_knowledge import watch_knowledge

    workspace, params = open_workspace(context)
    console.set_up_prefect(workspace.state, debug=context.obj.debug)
    poll = params.schedules.poll_s if poll is None else poll
    ready = partial(say_ready, workspace, "watch", os.getpid())
    watch_knowledge(workspace, params, poll, ready, partial(say_looked, workspace))


@commands.command(epilog="Example: lorag serve --port 8400")
def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option(help="The address to listen on; other machines reach 0.0.0.0.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="8400 if left out, or another one if that is taken.")
    ] = None,
    allowed_host: Annotated[
        list[str] | None,
        typer.Option(help="A name under which other machines ask; may be repeated. Also LORAG_SERVE_HOSTS."),
    ] = None,
) -> None:
    """Answer questions over HTTP from the current release, until stopped; `lorag up` runs this.

    It speaks its own API, OpenAI's and MCP (docs/service.md). `lorag ask` then asks the service, and waits for no model
    to load. The key is LORAG_SERVE_KEY, else that of `.lorag/serve.key`, which the first start makes; `lorag keys add`
    makes more.
    """
    from lorag.service.run import KEY_VARIABLE
    from lorag.service.run import serve as run
    from lorag.use_cases.operate.operate import say_ready

    workspace, _ = open_workspace(context)

    def ready(address: str) -> None:
        say_ready(workspace, "serve", os.getpid())
        console.say(f"The page: {address}/; programs: {address}/v1")
        if os.environ.get(KEY_VARIABLE):
            console.say(f"The key for both is that of {KEY_VARIABLE}.")
        else:
            console.say(f"The key for both is in {workspace.service_key_file}, the same at each start.")

    run(workspace, dict(os.environ), host, port, ready, allowed_hosts=allowed_host or ())


@commands.command(epilog="Example: lorag worker")
def worker(context: typer.Context) -> None:
    """Run what the Prefect server schedules for this workspace, until stopped; `lorag up` runs this."""
    from lorag.use_cases.operate.operate import say_ready

    workspace = find_workspace(context.obj.start)
    console.set_up_prefect(workspace.state, debug=context.obj.debug)
    from lorag.integrations.prefect.server import workspace_name
    from lorag.integrations.prefect.worker import run_worker

    flows = ["flows.refresh_index", "flows.retrain_adapter"]
    run_worker(workspace_name(workspace.root), flows, lambda: say_ready(workspace, "worker", os.getpid()))
