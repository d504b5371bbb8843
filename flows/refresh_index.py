"""Flow: the index follows the knowledge, and one MLflow run says what that cost."""

import os
from dataclasses import replace
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.record import record_refresh
from flows.steps import as_step, hold_writer_lock
from lorag.adapters.cost_meter import CostMeter
from lorag.adapters.mlflow_tracking import locate_tracking
from lorag.adapters.stores import open_store
from lorag.params import load_params
from lorag.use_cases.refresh import log_refresh, run_refresh
from lorag.use_cases.refresh.run_refresh import RefreshOutcome
from lorag.workspace import Workspace

snapshot = as_step("snapshot", run_refresh.snapshot)
reproduce = as_step("reproduce", run_refresh.reproduce)
commit_versions = as_step("commit", run_refresh.commit_versions)
plan = as_step("plan", run_refresh.plan)
apply = as_step("apply", run_refresh.apply)
gate = as_step("gate", run_refresh.gate)
publish = as_step("publish", run_refresh.publish, retries=0)
log = as_step("log", log_refresh.log_refresh)


@flow(name="refresh_index", persist_result=False, validate_parameters=False)
def refresh_index(workspace_root: str, *, rebuild: bool = False, allow_shrink: bool = False) -> RefreshOutcome:
    """Snapshot, reproduce what is stale, plan, apply, gate, publish, log.

    Raises Busy where another writer runs, GateRefused where a check failed, and the errors of the stages; whatever
    is raised, the served release stays as it was.
    """
    workspace = Workspace(Path(workspace_root).resolve())
    params = load_params(workspace.params_file)
    with (
        hold_writer_lock(workspace, params),
        CostMeter(params.costs) as meter,
    ):
        snapshot(workspace, params, allow_empty=allow_shrink)
        pipeline = reproduce(workspace)
        if pipeline.stages:
            commit_versions(workspace, params)
        meter.add_tokens(embedded=pipeline.embedding.n_tokens)
        store = open_store(params.index, workspace.state, os.environ)
        try:
            planned = plan(workspace, params, store, rebuild=rebuild, allow_shrink=allow_shrink)
            release = run_refresh.current_release(planned, params)
            report = None
            if release is not None:
                run_refresh.serve_again(workspace, planned, release)
            else:
                ref, report = gate(apply(planned, store, params), planned, workspace, store, params)
                release = publish(ref, report, planned, workspace, store, params)
        finally:
            store.close()
        outcome = run_refresh.summarise(release, report, planned, pipeline, workspace, meter.stop())
    location = locate_tracking(workspace.state, os.environ)
    run_id = log(outcome, workspace, params, location, str(flow_run.id or ""))
    outcome = replace(outcome, mlflow_run_id=run_id)
    record_refresh(outcome, workspace, params)
    return outcome
