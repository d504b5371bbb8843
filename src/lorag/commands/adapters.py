"""Commands that train."""

import os
from typing import Annotated

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import compare as console_compare
from lorag.console import terminal as console
from lorag.integrations.prefect.own_server import wait_for_own_server
from lorag.strategies import CLOSED_BOOK_ADAPTER, AdapterKind

commands = typer.Typer()


@commands.command(epilog="Example: lorag retrain --adapter tuned")
def retrain(
    context: typer.Context,
    adapter: Annotated[list[AdapterKind] | None, typer.Option(help="Only this adapter; may be repeated.")] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Only make the training set, and say what it costs and what stands against it."),
    ] = False,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Train although the forecast says that a limit cannot be met.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Train the adapters on the knowledge as it is now, and serve those that pass their gate.

    Nothing is trained if nothing changed. Exit status 4 means that an adapter failed, or that a limit of its gate
    cannot be met with this training set, and then nothing was trained; the previous one stays served.
    """
    from lorag.releases.durable import writer_lock

    workspace, _ = open_workspace(context)
    with console.standard_output_kept_clean(), writer_lock(workspace.command_lock_file):
        console.start_prefect(workspace.state, debug=context.obj.debug)
        from flows.retrain_adapter import retrain_adapter

        wait_for_own_server()
        names = [kind.value for kind in adapter or ()]
        outcome = retrain_adapter(str(workspace.root), names, plan_only=plan, anyway=anyway)
    result = outcome.to_json()
    if plan:
        lines = [line for forecast in outcome.forecasts.values() for line in forecast.lines()]
        console.show({"forecasts": result["forecasts"]}, lambda: console.show_lines(lines), as_json=as_json)
        return
    console.show(result, lambda: console.show_retrain(result), as_json=as_json)


@commands.command("search-params", epilog="Example: lorag search-params --adapter hybrid --minutes 30")
def search_params_command(
    context: typer.Context,
    adapter: Annotated[AdapterKind, typer.Option(help="The adapter to search for.")] = CLOSED_BOOK_ADAPTER,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, max=100_000, help="Start no new trial after this many minutes.")
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, max=100_000, help="The maximum number of trials.")] = None,
    as_json: Json = False,
) -> None:
    """Search for better training settings within a time limit, and print what to put in params.yaml.

    It trains on the pairs of the last retrain and judges by their validation pairs. It changes neither params.yaml nor
    what is served.
    """
    workspace, params = open_workspace(context)
    given = {"minutes": minutes, "trials": trials}
    search = params.parameter_search.model_copy(update={k: v for k, v in given.items() if v is not None})
    params = params.model_copy(update={"parameter_search": search})
    from lorag.use_cases.retrain.search_params import search_params

    with console.standard_output_kept_clean():
        result = search_params(adapter, workspace, params, os.environ).to_json()
    console.show(result, lambda: console.show_search_params(result), as_json=as_json)


@commands.command(epilog="Example: lorag seeds --adapter hybrid --seeds 3")
def seeds(
    context: typer.Context,
    adapter: Annotated[AdapterKind, typer.Option(help="The adapter to train again.")] = CLOSED_BOOK_ADAPTER,
    n: Annotated[
        int, typer.Option("--seeds", min=1, max=100, help="How many seeds, including that of params.yaml.")
    ] = 3,
    as_json: Json = False,
) -> None:
    """Train an adapter with other seeds too, to see how much of its figures is chance.

    It uses the training set of the last retrain. Nothing that is served changes; the report of the next comparison
    shows the result.
    """
    workspace, params = open_workspace(context)
    from lorag.use_cases.judge.vary_seeds import vary_seeds

    with console.standard_output_kept_clean():
        result = vary_seeds(adapter, n, workspace, params).to_json()
    console.show(result, lambda: console_compare.show_seeds(result), as_json=as_json)
