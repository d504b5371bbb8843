"""The plan of a workspace: which policy to take for a load, from its walk and its ledger."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lorag.costs.plan import Demand, Plan, choose, find_turns
from lorag.costs.policies import Curve, candidates
from lorag.costs.remedies import TIMELINE
from lorag.costs.unit_costs import Measured, Missing, Unit, measure
from lorag.errors import ParamsError
from lorag.params import Params
from lorag.strategies import Strategy
from lorag.use_cases.judge.read_curves import read_curves
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_load import read_load
from lorag.use_cases.judge.weigh_costs import save_chart, stored_bytes
from lorag.workspace import Workspace


def plan_policies(
    needs: Callable[[float, float], Demand],
    load: tuple[float | None, float | None],
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Plan:
    """Return the plan at current prices.

    `load` is the number of updates and of queries a day, which `needs` makes a demand of; None takes that of the
    service's traffic. Raises StoreFailed if the ledger cannot be read, and ParamsError if the load is not known.
    """
    every = read_ledger(workspace, params, environment)
    (updates, queries), traffic = read_load(load, every, "give --updates-per-day and --queries-per-day")
    if not updates:
        raise ParamsError("nothing changed since the service was first asked", do="give --updates-per-day")
    ledger = every.on_newest_machine()
    measured = measure(ledger, stored_bytes(workspace, params))
    found = plan_for(needs(updates, queries), measured, read_curves(workspace, params), params)
    return replace(found, n_elsewhere=ledger.n_elsewhere, traffic=traffic)


def plan_for(demand: Demand, measured: Sequence[Measured], curves: Mapping[Strategy, Curve], params: Params) -> Plan:
    """Return the plan that the figures give; `curves` are empty if no walk measured them."""
    costs, axes = params.costs, params.break_even
    found = candidates(measured, curves, params.advice.plan_share, Unit.MONEY, costs.prices)
    missing = () if curves else (Missing(f"a walk with {params.generation.model} over all facts", TIMELINE),)
    return Plan(
        demand,
        choose(found, demand, params.advice),
        find_turns(found, demand, params.advice, axes.updates_per_day, axes.queries_per_day),
        costs.currency,
        params.comparison.confidence,
        missing,
    )


def middle_load(params: Params) -> Demand:
    """Return the load in the middle of the chart of the break-even, whose axes are logarithmic."""
    axes = params.break_even.updates_per_day, params.break_even.queries_per_day
    updates, queries = (math.sqrt(least * greatest) for least, greatest in axes)
    return Demand(updates, queries)


def draw_plan(plan: Plan, path: Path) -> None:
    """Write the chart in the format of the file's extension; raise ParamsError for an unknown one."""
    # Matplotlib takes half a second to import.
    from lorag.reports.plan_plot import plot_plan

    save_chart(plot_plan(plan), path)
