"""The advice from a workspace's measurements, at current prices."""

from collections.abc import Mapping
from dataclasses import replace

from lorag.costs.advice import Advice, advise
from lorag.costs.ledger import Ledger
from lorag.costs.needs import Workload
from lorag.costs.pending import PendingAdvice, advise_change
from lorag.costs.unit_costs import measure
from lorag.params import Params
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.weigh_costs import served_or_none, stored_bytes
from lorag.use_cases.refresh.pending_work import Why
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace


def advise_workload(workload: Workload, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Advice:
    """Return which strategy to use; raise StoreFailed if the ledger cannot be read."""
    served = served_or_none(workspace)
    ledger = _ledger(workspace, params, environment)
    measured = measure(ledger, stored_bytes(workspace, params))
    entries = served.adapters.items() if served else ()
    coverage = {kind.strategy: entry.coverage for kind, entry in entries if entry.coverage is not None}
    found = advise(measured, workload, served.n_chunks if served else None, params.advice, params.costs, coverage)
    return replace(found, n_elsewhere=ledger.n_elsewhere)


def advise_pending(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> PendingAdvice:
    """Return what the changes since the served release require; the source is read as by `lorag status`."""
    status = read_status(workspace, params)
    held = [state.held for state in status.adapters.values()]
    reasons = [why.value for why in status.pending if why in (Why.QUESTIONS, Why.ROLLED_BACK)]
    ledger = _ledger(workspace, params, environment)
    measured = measure(ledger, stored_bytes(workspace, params))
    changed = status.params_changed
    found = advise_change(
        status.changes,
        held,
        measured,
        params.advice,
        params_changed=changed,
        reasons=reasons,
        stopped={kind: state.stopped for kind, state in status.adapters.items()},
    )
    return replace(found, n_elsewhere=ledger.n_elsewhere)


def _ledger(workspace: Workspace, params: Params, environment: Mapping[str, str]) -> Ledger:
    return read_ledger(workspace, params, environment).on_newest_machine().repriced(params.costs)
