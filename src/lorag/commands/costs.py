"""Commands that show costs, and what they advise."""

import os
from pathlib import Path
from typing import Annotated

import typer

from lorag.commands.options import Json, open_workspace
from lorag.console import costs as console_costs
from lorag.console import terminal as console
from lorag.costs.unit_costs import Unit
from lorag.errors import ParamsError

commands = typer.Typer()

UpdatesPerDay = Annotated[
    float | None,
    typer.Option(min=0, max=1e9, help="How often the documents change; as the service's traffic if left out."),
]
QueriesPerDay = Annotated[
    float | None,
    typer.Option(min=0, max=1e9, help="How often a question is asked; as the service was asked if left out."),
]


@commands.command(epilog="Example: lorag costs --last 10")
def costs(
    context: typer.Context,
    last: Annotated[int, typer.Option(min=1, max=100_000, help="How many of the newest rows to show.")] = 20,
    reprice: Annotated[bool, typer.Option("--reprice", help="Use the current prices of params.yaml.")] = False,
    as_json: Json = False,
) -> None:
    """List the cost of every update and every batch of answers, newest first, with totals."""
    from lorag.use_cases.judge.read_ledger import read_ledger

    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        ledger = read_ledger(workspace, params, os.environ)
    result = (ledger.repriced(params.costs) if reprice else ledger).to_json(last)
    console.show(result, lambda: console_costs.show_costs(result), as_json=as_json)


@commands.command("break-even", epilog="Example: lorag break-even --plot break_even.png")
def break_even_command(
    context: typer.Context,
    unit: Annotated[Unit, typer.Option(help="Compare money, or the seconds of processor time.")] = Unit.MONEY,
    plot: Annotated[Path | None, typer.Option(help="Draw the chart to this file.", metavar="FILE")] = None,
    updates_per_day: UpdatesPerDay = None,
    queries_per_day: QueriesPerDay = None,
    as_json: Json = False,
) -> None:
    """Show which strategy is the cheapest for each number of updates a day and queries a day, as measured.

    It also prices a day: with the numbers that are given, else with those of the service's traffic.
    """
    from lorag.use_cases.judge.weigh_costs import draw_break_even, weigh_costs

    load = None
    if updates_per_day is not None and queries_per_day is not None:
        load = (updates_per_day, queries_per_day)
    elif updates_per_day is not None or queries_per_day is not None:
        raise ParamsError("half of a load", do="give both --updates-per-day and --queries-per-day, or neither")
    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        found = weigh_costs(workspace, params, os.environ, unit, load)
        if plot is not None:
            draw_break_even(found, plot)
    result = found.to_json() | {"plot": None if plot is None else str(plot)}
    console.show(result, lambda: console_costs.show_break_even(result), as_json=as_json)


@commands.command(epilog="Example: lorag plan --updates-per-day 4 --queries-per-day 2000 --min-accuracy 0.8 --follow")
def plan(
    context: typer.Context,
    updates_per_day: Annotated[
        float | None,
        typer.Option(min=1e-6, max=1e9, help="How often the documents change; as the service's traffic if left out."),
    ] = None,
    queries_per_day: QueriesPerDay = None,
    min_accuracy: Annotated[
        float | None, typer.Option(min=0, max=1, help="The least share of facts that must be answered right.")
    ] = None,
    max_staleness: Annotated[
        float | None, typer.Option(min=0, max=1e9, help="The most seconds from a change to its first right answer.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, max=1e9, help="The most that a day may cost, in costs.currency.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the chart to this file.", metavar="FILE")] = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Write the choice into params.yaml; retrains follow it."),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Compare what the followed plan predicted with what was measured since.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which policy to take, that is a strategy and when it is retrained, for a load, as measured."""
    from lorag.console.plan import show_check, show_plan
    from lorag.costs.plan import Demand
    from lorag.evaluation.rule_error import RULE_ERROR
    from lorag.use_cases.judge.follow_plan import check_plan, follow_plan
    from lorag.use_cases.judge.plan_policies import draw_plan, plan_policies

    def demand(updates: float, queries: float) -> Demand:
        return Demand(updates, queries, min_accuracy, max_staleness, budget)

    load = (updates_per_day, queries_per_day)
    if check and (follow or plot or any(one is not None for one in (*load, min_accuracy, max_staleness, budget))):
        raise ParamsError("--check has the load and the limits of the followed plan", do="give it alone")
    workspace, params = open_workspace(context)
    if check:
        with console.standard_output_kept_clean():
            checked = check_plan(workspace, params, os.environ).to_json()
        console.show(checked, lambda: show_check(checked), as_json=as_json)
        return
    with console.standard_output_kept_clean():
        found = plan_policies(demand, load, workspace, params, os.environ)
        if plot is not None:
            draw_plan(found, plot)
        followed = follow_plan(found, workspace, params) if follow else None
    result = found.to_json() | {
        "measure": RULE_ERROR.to_json(),
        "plot": None if plot is None else str(plot),
        "followed": followed and followed.to_json(),
    }
    console.show(result, lambda: show_plan(result), as_json=as_json)


@commands.command(epilog="Example: lorag advise --updates-per-day 4 --queries-per-day 2000 --citations-needed")
def advise(
    context: typer.Context,
    updates_per_day: UpdatesPerDay = None,
    queries_per_day: QueriesPerDay = None,
    corpus_chunks: Annotated[
        int | None, typer.Option(min=1, help="The size of the corpus; if left out, that of the served release.")
    ] = None,
    citations_needed: Annotated[bool, typer.Option("--citations-needed", help="Answers must name passages.")] = False,
    private_documents: Annotated[
        bool, typer.Option("--private-documents", help="Removed documents must be gone at once.")
    ] = False,
    style_needed: Annotated[bool, typer.Option("--style-needed", help="Answers must keep a given style.")] = False,
    latency_ms: Annotated[
        float | None, typer.Option(min=1, max=1e9, help="95 % of answers must take at most this.")
    ] = None,
    pending: Annotated[bool, typer.Option("--pending", help="Advise on the pending changes.")] = False,
    as_json: Json = False,
) -> None:
    """Recommend a strategy for a workload, or an update for the pending changes, with the measured figures."""
    from lorag.costs.needs import Workload
    from lorag.use_cases.judge.advise import advise_pending, advise_workload

    def workload(updates: float, queries: float) -> Workload:
        needs = (citations_needed, private_documents, style_needed, latency_ms)
        return Workload(updates, queries, corpus_chunks, *needs)

    load = (updates_per_day, queries_per_day)
    workspace, params = open_workspace(context)
    with console.standard_output_kept_clean():
        # `--pending` alone asks for no strategy.
        is_wanted = not pending or None not in load
        advice = advise_workload(workload, load, workspace, params, os.environ) if is_wanted else None
        change = advise_pending(workspace, params, os.environ) if pending else None
    result = {"advice": advice and advice.to_json(), "pending": change and change.to_json()}
    console.show(result, lambda: console_costs.show_advice(result), as_json=as_json)
