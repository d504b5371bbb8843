"""The flow that brings adapters up to date with the knowledge: each must pass its gate, and each has an MLflow run."""

import os
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.record import record_retrain
from flows.steps import as_step, hold_writer_lock, is_deployed, run_name
from lorag.costs.ledger import EntryKind
from lorag.costs.records import Cost
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.prefect.record import show_done
from lorag.params import Params
from lorag.params_file import load_params
from lorag.progress import show_lines
from lorag.strategies import AdapterKind
from lorag.tuning.forecast import SHOWN
from lorag.use_cases.asking.unlogged_costs import UnloggedCosts
from lorag.use_cases.operate.retrain_due import adapters_to_train
from lorag.use_cases.refresh import steps as refresh_steps
from lorag.use_cases.retrain import forecast, log_retrain
from lorag.use_cases.retrain import steps as retrain_steps
from lorag.use_cases.retrain.forecast import PlannedTraining, refuse_stopped
from lorag.use_cases.retrain.last_retrain import keep_retrain
from lorag.use_cases.retrain.last_stop import forget_stop, keep_stop
from lorag.use_cases.retrain.publish_adapters import newest_release
from lorag.use_cases.retrain.steps import Candidate, Reproduced, RetrainOutcome
from lorag.workspace import Workspace

snapshot = as_step("snapshot", refresh_steps.snapshot)
prepare = as_step("prepare", refresh_steps.prepare)
pin_start = as_step("pin start", retrain_steps.pin_start)
plan_training = as_step("forecast", forecast.plan_training)
reproduce = as_step("reproduce", retrain_steps.reproduce)
judge = as_step("gate", retrain_steps.judge)
commit_versions = as_step("commit", refresh_steps.commit_versions)
publish = as_step("publish", retrain_steps.publish, retries=0)
log = as_step("log", log_retrain.log_retrain)


@flow(name="retrain_adapter", flow_run_name=run_name("retrain"), persist_result=False, validate_parameters=False)
def retrain_adapter(
    workspace_root: str,
    adapters: Sequence[str] = (),
    *,
    only_due: bool = False,
    refuse: bool = True,
    plan_only: bool = False,
    anyway: bool = False,
) -> RetrainOutcome:
    """Snapshot, embed, forecast; then for each adapter: train what is stale, measure, gate; publish and log.

    `adapters` names some of `tuning.adapters`; empty means all. With `only_due` adapters that can wait by the policy in
    force are left out, and if all can, nothing is done. With `plan_only` nothing is trained, judged or published, and
    the outcome has a forecast of every adapter.

    An adapter whose forecast says that a limit cannot be met is not trained, unless `anyway` says so. A run from a
    terminal then raises GateRefused before anything is trained. A deployed run trains the other adapters and records
    the stop; it raises GateRefused at its end, but only once for the same training set and limits.

    Raises Busy if another writer runs, GateRefused (after logging) if an adapter failed its gate, and the errors of the
    stages. An adapter that failed is never served. If `refuse` is False, a failed gate raises nothing; only the outcome
    says which adapters failed.
    """
    workspace = Workspace(Path(workspace_root).resolve())
    params = load_params(workspace.params_file)
    location = locate_tracking(workspace.state, os.environ)
    with hold_writer_lock(workspace, params):
        due = adapters_to_train(workspace, params) if only_due else None
        if due == []:
            return RetrainOutcome(newest_release(workspace), False, (), {})
        kinds = [
            kind for kind in retrain_steps.choose_adapters(workspace, params, adapters) if due is None or kind in due
        ]
        costs = UnloggedCosts(workspace, params)
        snapshot(workspace, params)
        prepared = _prepare(costs, workspace, params)
        planned = {kind: _plan(kind, costs, workspace, params, always=plan_only) for kind in kinds}
        forecasts = {kind: plan.forecast for kind, (plan, _) in planned.items() if plan.forecast is not None}
        if plan_only:
            costs.settle(location)
            return RetrainOutcome(newest_release(workspace), False, (), {}, forecasts)
        for one in forecasts.values():
            show_lines(one.lines(SHOWN))
        stopped = [] if anyway else [one for one in forecasts.values() if one.stops]
        new_stops = [one for one in stopped if keep_stop(one, workspace, params)]
        keep_retrain((one.adapter for one in stopped), workspace)
        if stopped and not is_deployed():
            costs.settle(location)
            refuse_stopped([*forecasts.values()])
        kinds = [kind for kind in kinds if forecasts.get(kind) not in stopped]
        for kind in kinds:
            forget_stop(kind, workspace)
        shown = show_done(kinds, "retrain-trained")
        candidates = tuple(_train_and_judge(kind, *planned[kind], costs, workspace, params) for kind in shown)
        prepared = prepared or any(plan.stages for plan, _ in planned.values())
        if prepared or any(candidate.stages or candidate.publishable for candidate in candidates):
            commit_versions(workspace, params, "Retrain the adapters")
        release, published = publish(candidates, workspace, params, os.environ)
        keep_retrain(kinds, workspace)
        for candidate in candidates:
            costs.end(candidate.outcome, candidate.extent, candidate.kind)
    runs = log(candidates, release, workspace, params, location, str(flow_run.id or ""))
    costs.settle(location, unlogged=[kind for kind, run_id in runs.items() if run_id is None])
    outcome = RetrainOutcome(release, published, candidates, runs, forecasts)
    record_retrain(outcome, workspace, params)
    refuse_stopped(new_stops)
    if refuse:
        retrain_steps.refuse_failed(outcome)
    return outcome


def _plan(
    kind: AdapterKind, costs: UnloggedCosts, workspace: Workspace, params: Params, *, always: bool
) -> tuple[PlannedTraining, Cost]:
    with costs.meter(EntryKind.RETRAIN, kind, gpus=count_held_gpus(), is_part=True) as meter:
        pin_start(kind, workspace, params)
        planned = plan_training(kind, workspace, params, os.environ, always=always)
    return planned, meter.stop()


def _prepare(costs: UnloggedCosts, workspace: Workspace, params: Params) -> bool:
    """Run the stages that the next refresh also needs, at its cost; return whether one was stale."""
    with costs.meter(EntryKind.REFRESH, gpus=count_held_gpus()) as meter:
        pipeline = prepare(workspace, params)
        meter.add_tokens(embedded=pipeline.embedding.n_tokens)
    if pipeline.stages:
        costs.keep_ahead(EntryKind.REFRESH, meter.stop())
    return bool(pipeline.stages)


def _train_and_judge(
    kind: AdapterKind,
    planned: PlannedTraining,
    planned_at: Cost,
    costs: UnloggedCosts,
    workspace: Workspace,
    params: Params,
) -> Candidate:
    with costs.meter(EntryKind.RETRAIN, kind, gpus=count_held_gpus()) as meter:
        reproduced = reproduce(kind, workspace)
        judged = judge(kind, workspace, params)
        meter.add_tokens(trained=reproduced.tokens_trained)
    reproduced = Reproduced((*planned.stages, *reproduced.stages), reproduced.tokens_trained)
    return retrain_steps.present(kind, judged, reproduced, workspace, planned_at.plus(meter.stop()))
