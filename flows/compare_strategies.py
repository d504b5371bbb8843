"""The flow in which all strategies answer the same questions from one release, each with an MLflow run."""

import os
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

from flows.record import record_compare
from flows.steps import as_step, hold_writer_lock, run_name
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.prefect.record import show_done
from lorag.params_file import load_params
from lorag.use_cases.compare import comparison_report, log_compare, route_questions
from lorag.use_cases.compare import steps as compare_steps
from lorag.use_cases.compare.steps import CompareOutcome
from lorag.use_cases.judge import claims_report, vary_seeds
from lorag.use_cases.judge.describe_release import write_card
from lorag.use_cases.refresh import steps as refresh_steps
from lorag.use_cases.timeline import timeline_report
from lorag.workspace import Workspace

choose = as_step("choose", compare_steps.choose_strategies)
reproduce_answers = as_step("answer", compare_steps.reproduce_answers)
reproduce_comparison = as_step("compare", compare_steps.reproduce_comparison)
time_answers = as_step("time", compare_steps.time_answers)
route = as_step("route", route_questions.route_questions)
commit_versions = as_step("commit", refresh_steps.commit_versions)
report = as_step("report", comparison_report.write_report)
log = as_step("log", log_compare.log_compare)


@flow(name="compare_strategies", flow_run_name=run_name("compare"), persist_result=False, validate_parameters=False)
def compare_strategies(workspace_root: str, *, limit: int | None = None) -> CompareOutcome:
    """Answer the questions if answers are stale, compare, measure speed, fit a router, write the report, log.

    No adapter is trained: a strategy whose adapter is missing is left out. With `limit` only that many questions are
    asked, and the pipeline's reports do not change. Raises Busy if a writer runs, and WorkspaceError if the pipeline's
    artifacts are not those of the served release.
    """
    workspace = Workspace(Path(workspace_root).resolve())
    params = load_params(workspace.params_file)
    if limit is not None:
        params = params.model_copy(update={"comparison": params.comparison.model_copy(update={"limit": limit})})
    with hold_writer_lock(workspace, params):
        chosen = choose(workspace, params)
        answered = tuple(
            reproduce_answers(name, workspace, params, limit)
            for name in show_done(chosen.strategies, "compare-answered")
        )
        comparison, rows, compared = reproduce_comparison(chosen, workspace, params, limit)
        stages = (*(stage for each in answered for stage in each.stages), *compared)
        if stages:
            commit_versions(workspace, params, "Compare the strategies")
        timed = tuple(time_answers(name, chosen, workspace, params, os.environ) for name in chosen.strategies)
        auto = route(chosen, rows, timed, workspace, params, limit)
    outcome = CompareOutcome(chosen, answered, comparison, rows, timed, auto, limit, workspace.comparison_page, stages)
    judged = claims_report.judge_comparison(outcome, workspace, params, os.environ)
    report(outcome, params, [*vary_seeds.sections(workspace), *timeline_report.sections(workspace), *judged.sections])
    location = locate_tracking(workspace.state, os.environ)
    logged = log(outcome, workspace, params, location, str(flow_run.id or ""), judged.plan)
    comparison_report.keep_result(logged, workspace)
    write_card(workspace, params, os.environ)
    record_compare(logged, workspace)
    return logged
