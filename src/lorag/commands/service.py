"""Commands around the service: its keys, its tools for agents, and what it was asked."""

import os
from typing import Annotated

import typer

from lorag.commands.options import Json, Where, open_workspace, pairs_of
from lorag.console import service as console_service
from lorag.console import terminal as console

commands = typer.Typer()
keys_app = typer.Typer(help="Make, list and remove the keys of `lorag serve`.")
report_app = typer.Typer(help="Report on what was asked.")
commands.add_typer(keys_app, name="keys")
commands.add_typer(report_app, name="report")

Name = Annotated[str, typer.Argument(help="A name for the key: letters, digits, dots, hyphens and underscores.")]


@keys_app.command("add", epilog="Example: lorag keys add reception --where team=harbour")
def add(context: typer.Context, name: Name, where: Where = None, as_json: Json = False) -> None:
    """Make a key and print it, once; only its hash is kept. With --where it reads those documents only."""
    from lorag.releases.audit import Action, note_action
    from lorag.service.keys import add_key, remove_key
    from lorag.use_cases.serve.access import Access, count_readable

    workspace, params = open_workspace(context)
    allowed = dict(pairs_of(where))
    keys_file = workspace.resolve(params.service.keys_file)
    key = add_key(keys_file, name, allowed)
    try:
        note_action(workspace.state, Action.ADD_KEY, name=name)
    except BaseException:
        # Nobody was shown the key yet, and none is valid that the audit log does not name.
        remove_key(keys_file, name)
        raise
    # A condition with a typing error would look like documents that answer nothing.
    with console.standard_output_kept_clean():
        n_documents = count_readable(Access(name, tuple(allowed.items())), workspace, params, os.environ)
    result = {"name": name, "key": key, "where": allowed, "n_documents": n_documents}
    console.show(result, lambda: console_service.show_new_key(result), as_json=as_json)


@keys_app.command("list", epilog="Example: lorag keys list --json")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """List the names of the keys and what each may read."""
    from lorag.use_cases.serve.stored_keys import read_keys

    workspace, params = open_workspace(context)
    result = {"keys": [key.to_json() for key in read_keys(workspace.resolve(params.service.keys_file))]}
    console.show(result, lambda: console_service.show_keys(result), as_json=as_json)


@keys_app.command("remove", epilog="Example: lorag keys remove reception")
def remove(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Remove a key; a running service refuses it from then on."""
    from lorag.releases.audit import Action, note_action
    from lorag.service.keys import remove_key

    workspace, params = open_workspace(context)
    result = {"removed": remove_key(workspace.resolve(params.service.keys_file), name).to_json()}
    note_action(workspace.state, Action.REMOVE_KEY, name=name)
    console.show(result, lambda: console.say(f"The key {name} is removed."), as_json=as_json)


@report_app.command("queries", epilog="Example: lorag report queries --last 10")
def queries(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=0, max=10_000, help="How many questions to list of each kind.")] = 10,
    as_json: Json = False,
) -> None:
    """Report what the service was asked, what the documents could not answer, and what it cost."""
    from lorag.use_cases.serve.report_queries import report_queries

    workspace, params = open_workspace(context)
    result = report_queries(workspace, params.service.keep_questions_days, last)
    console.show(result, lambda: console_service.show_queries(result), as_json=as_json)


@commands.command(epilog="Example: lorag mcp")
def mcp(context: typer.Context) -> None:
    """Offer search, ask and what_changed to an agent over standard input and output (Model Context Protocol).

    The agent starts it. LORAG_MCP_KEY narrows what it shows to what that key may read. `lorag serve` offers the same
    tools at /mcp.
    """
    from lorag.service.mcp_stdio import run_stdio

    workspace, _ = open_workspace(context)
    run_stdio(workspace, dict(os.environ))
