"""The flow that brings the index up to date with the knowledge, with its cost in one MLflow run."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.record import record_refresh
from flows.steps import as_step, hold_writer_lock, run_name
from lorag.costs.ledger import EntryKind
from lorag.errors import GateRefused, IntegrityFailed
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.stores import open_store
from lorag.params import Params
from lorag.params_file import load_params
from lorag.use_cases.asking.unlogged_costs import UnloggedCosts
from lorag.use_cases.refresh import log_refresh
from lorag.use_cases.refresh import steps as refresh_steps
from lorag.use_cases.refresh.pending_work import read_knowledge, settle, skip_refresh
from lorag.use_cases.refresh.steps import RefreshOutcome
from lorag.workspace import Workspace

snapshot = as_step("snapshot", refresh_steps.snapshot)
reproduce = as_step("reproduce", refresh_steps.reproduce)
commit_versions = as_step("commit", refresh_steps.commit_versions)
plan = as_step("plan", refresh_steps.plan)
apply = as_step("apply", refresh_steps.apply)
gate = as_step("gate", refresh_steps.gate)
publish = as_step("publish", refresh_steps.publish, retries=0)
log = as_step("log", log_refresh.log_refresh)


@flow(name="refresh_index", flow_run_name=run_name("refresh"), persist_result=False, validate_parameters=False)
def refresh_index(
    workspace_root: str, *, rebuild: bool = False, allow_shrink: bool = False, approve: Sequence[str] = ()
) -> RefreshOutcome:
    """Snapshot, reproduce what is stale, plan, apply, gate, publish, log; do and log nothing if nothing changed.

    `approve` names new folders of the source, of which files wait for that.

    Raises Busy if another writer runs, GateRefused if a check failed, and the errors of the stages. After any of these
    errors the served release is unchanged.
    """
    workspace = Workspace(Path(workspace_root).resolve())
    params = load_params(workspace.params_file)
    with hold_writer_lock(workspace, params):
        if settled := skip_refresh(workspace, params, os.environ, rebuild=rebuild or bool(approve)):
            return settled
        knowledge = read_knowledge(workspace, params)
        costs = UnloggedCosts(workspace, params)
        outcome = _refresh(costs, workspace, params, rebuild=rebuild, allow_shrink=allow_shrink, approve=approve)
        costs.end(outcome.outcome, outcome.extent)
        settle(knowledge, workspace, params, os.environ)
    location = locate_tracking(workspace.state, os.environ)
    run_id = log(outcome, workspace, params, location, str(flow_run.id or ""))
    costs.settle(location, unlogged=() if run_id else (None,))
    outcome = replace(outcome, mlflow_run_id=run_id)
    record_refresh(outcome, workspace, params)
    return outcome


def _refresh(
    costs: UnloggedCosts,
    workspace: Workspace,
    params: Params,
    *,
    rebuild: bool,
    allow_shrink: bool,
    approve: Sequence[str],
) -> RefreshOutcome:
    with costs.meter(EntryKind.REFRESH, gpus=count_held_gpus()) as meter:
        snapshot(workspace, params, allow_empty=allow_shrink, approve=approve)
        pipeline = reproduce(workspace, params)
        meter.add_tokens(embedded=pipeline.embedding.n_tokens)
        store = open_store(params.index, workspace.state, os.environ)
        try:
            planned = plan(workspace, params, store, rebuild=rebuild, allow_shrink=allow_shrink)
            release = refresh_steps.current_release(planned)
            # A release names the commit that holds its settings, also those that no stage depends on.
            if pipeline.stages or release is None:
                commit_versions(workspace, params)
            report = None
            if release is not None:
                refresh_steps.serve_again(workspace, planned, release)
            else:
                try:
                    ref, report = gate(apply(planned, store, params), planned, workspace, store, params)
                except (GateRefused, IntegrityFailed) as error:
                    if refresh_steps.can_continue_from(planned, store):
                        raise
                    refresh_steps.warn_of_damage(error)
                    planned = plan(workspace, params, store, rebuild=True, allow_shrink=allow_shrink)
                    ref, report = gate(apply(planned, store, params), planned, workspace, store, params)
                release = publish(ref, report, planned, workspace, store, params)
        finally:
            store.close()
        return refresh_steps.summarise(release, report, planned, pipeline, workspace, params, meter.stop())
