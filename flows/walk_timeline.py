"""The flow that takes the knowledge from version to version and asks all strategies after each change."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.refresh_index import refresh_index
from flows.retrain_adapter import retrain_adapter
from flows.steps import as_step, run_name
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.prefect.record import show_done
from lorag.params_file import load_params
from lorag.releases.durable import writer_lock
from lorag.strategies import AdapterKind
from lorag.use_cases.timeline import control_questions, earlier_adapters, log_timeline, timeline_report, timeline_walk
from lorag.use_cases.timeline import steps as timeline_steps
from lorag.use_cases.timeline.steps import REFRESH, asked_at, retrain_record, retrained_at
from lorag.use_cases.timeline.timeline_report import TimelineOutcome
from lorag.use_cases.timeline.timeline_walk import Step, Version, Walk
from lorag.workspace import Workspace

open_walk = as_step("open", timeline_walk.open_walk)
apply_change = as_step("change", timeline_steps.apply_change)
ask = as_step("ask", timeline_steps.ask)
ask_earlier = as_step("ask earlier", earlier_adapters.ask_earlier)
ask_controls = as_step("ask controls", control_questions.ask_controls)
assemble = as_step("assemble", timeline_report.assemble)
report = as_step("report", timeline_report.write_timeline)
log = as_step("log", log_timeline.log_timeline)


@flow(name="walk_timeline", flow_run_name=run_name("walk"), persist_result=False, validate_parameters=False)
def walk_timeline(
    workspace_root: str,
    versions: Sequence[Version],
    into: str,
    adapters: Sequence[AdapterKind],
    limit: int | None = None,
    once: Sequence[AdapterKind] = (),
) -> TimelineOutcome:
    """For each version: install it, refresh, ask, retrain each adapter, ask again, also those of earlier versions.

    Then report and log. The adapters in `once` are not trained again after one was published.

    The walk has its own workspace in `into`, with the settings of the workspace at `workspace_root`, whose served
    release does not change. Recorded steps are not repeated, so a killed walk resumes where it stopped. Raises Busy if
    another walk runs there, and the errors of a refresh or a retrain. An adapter that its gate refuses does not stop
    the walk.
    """
    workspace = Workspace(Path(workspace_root).resolve())
    params = load_params(workspace.params_file)
    root = Path(into).resolve()
    with writer_lock(root.parent / f".{root.name}.lock"):
        walk = open_walk(root, versions, workspace, params, adapters, limit, once)
        known = sum(_walk_step(step, walk) for step in show_done(walk.steps, "walk-versions"))
        timeline = assemble(walk)
        outcome = TimelineOutcome(timeline, report(timeline, walk, workspace), known)
    # In the store of its refreshes and retrains: one ledger has their costs and how soon they were right.
    location = locate_tracking(walk.workspace.state, os.environ)
    return log(outcome, walk, location, str(flow_run.id or ""), os.environ)


def _walk_step(step: Step, walk: Walk) -> bool:
    """Do a step of the walk; return whether all of it was already recorded."""
    known = step.has(REFRESH) and all(step.has(retrain_record(kind)) for kind in retrained_at(step, walk))
    if not step.has(REFRESH):
        since_s, begun = apply_change(step, walk)
        refreshed = refresh_index(str(walk.workspace.root), allow_shrink=True)
        timeline_steps.keep_refresh(step, walk, refreshed, since_s, begun=begun)
    for strategy, moment in asked_at(step, walk):
        kind = timeline_steps.retrained_for(strategy, moment)
        if kind and not step.has(retrain_record(kind)):
            begun, since_s = step.begin(retrain_record(kind)), time.time()
            retrained = retrain_adapter(str(walk.workspace.root), [kind.value], refuse=False, anyway=True)
            timeline_steps.keep_retrain(step, walk, kind, retrained, since_s, begun=begun)
        ask(step, walk, strategy, moment, os.environ)
    for kind in walk.adapters:
        ask_earlier(step, walk, kind)
        ask_controls(step, walk, kind)
    return known
