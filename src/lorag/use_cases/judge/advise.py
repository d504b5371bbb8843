"""The advice from a workspace's measurements, at current prices."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from lorag.costs.advice import Advice, advise
from lorag.costs.needs import Workload
from lorag.costs.pending import PendingAdvice, advise_change
from lorag.costs.unit_costs import measure
from lorag.params import Params
from lorag.use_cases.judge.read_curves import read_curves
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_load import read_load
from lorag.use_cases.judge.weigh_costs import served_or_none, stored_bytes
from lorag.use_cases.refresh.pending_work import Why
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def advise_workload(
    needs: Callable[[float, float], Workload],
    load: tuple[float | None, float | None],
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Advice:
    """Return which strategy to use; raise StoreFailed if the ledger cannot be read.

    `load` is the number of updates and of queries a day, which `needs` makes a workload of; None takes that of the
    service's traffic. Raises ParamsError if there is none.
    """
    served = served_or_none(workspace)
    every = read_ledger(workspace, params, environment)
    (updates, queries), traffic = read_load(load, every, "give --updates-per-day and --queries-per-day, or --pending")
    workload = needs(updates, queries)
    ledger = every.on_newest_machine().repriced(params.costs)
    measured = measure(ledger, stored_bytes(workspace, params))
    entries = served.adapters.items() if served else ()
    coverage = {kind.strategy: entry.coverage for kind, entry in entries if entry.coverage is not None}
    n_chunks = served.n_chunks if served else None
    curves = read_curves(workspace, params)
    found = advise(measured, workload, n_chunks, params.advice, params.costs, coverage, curves)
    return replace(found, n_elsewhere=ledger.n_elsewhere, traffic=traffic)


def advise_pending(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> PendingAdvice:
    """Return what the changes since the served release require; the source is read as by `lorag status`."""
    status = read_status(workspace, params)
    adapters = status.adapters
    held = [state.held for state in adapters.values()]
    due = {kind: state.due for kind, state in adapters.items()}
    reasons = [why.value for why in status.pending if why in (Why.QUESTIONS, Why.ROLLED_BACK)]
    ledger = read_ledger(workspace, params, environment).on_newest_machine().repriced(params.costs)
    measured = measure(ledger, stored_bytes(workspace, params))
    changed = status.params_changed
    found = advise_change(
        status.changes,
        held,
        due,
        measured,
        params_changed=changed,
        reasons=reasons,
        stopped={kind: state.stopped for kind, state in adapters.items()},
    )
    return replace(found, n_elsewhere=ledger.n_elsewhere)
