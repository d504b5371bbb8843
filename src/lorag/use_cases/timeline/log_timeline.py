"""The MLflow run of a walk, with a child for each strategy; its metrics have a step for each version."""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from lorag.costs.plan import Plan
from lorag.costs.unit_costs import measure
from lorag.errors import StoreFailed
from lorag.evaluation.comparison import Comparison
from lorag.evaluation.timeline_records import Moment, Timeline, TimelineRow
from lorag.integrations.mlflow.traces import TracedAnswer, log_traces
from lorag.integrations.mlflow.tracking import PARENT_TAG, TrackingLocation, start_run
from lorag.reports.timeline_plots import plot_freshness, plot_leftovers
from lorag.strategies import Strategy
from lorag.use_cases.compare.log_plan import log_plan
from lorag.use_cases.judge.plan_policies import middle_load, plan_for
from lorag.use_cases.judge.read_curves import curves_of
from lorag.use_cases.judge.read_ledger import read_ledger
from lorag.use_cases.judge.read_reports import read_report
from lorag.use_cases.judge.weigh_costs import stored_bytes
from lorag.use_cases.timeline.timeline_report import TimelineOutcome, judged_answers
from lorag.use_cases.timeline.timeline_walk import Walk

logger = logging.getLogger(__name__)


def log_timeline(
    outcome: TimelineOutcome,
    walk: Walk,
    location: TrackingLocation,
    flow_run_id: str,
    environment: Mapping[str, str],
) -> TimelineOutcome:
    """Return the outcome with the id of its run; None if MLflow cannot be reached.

    Answers to changed and removed facts are traces of the child, judged right, stale, leaked and cited. A child's
    `fresh.time_to_fresh_s` is the strategy's own: that of the refresh if the refresh was enough. It covers only
    changes, because the first version is a build. Metrics of an adapter from before the change have the prefix
    `stale_adapter.`, in the run of the walk those of older ones the prefix `aged_<versions>.`. The run of the walk has
    the plan by its ledger, if a comparison there priced a question.
    """
    timeline, params = outcome.timeline, walk.params
    tags = {
        "lorag.kind": "timeline",
        "lorag.versions": ", ".join(step.version for step in timeline.steps),
        "lorag.limit": "" if timeline.limit is None else str(timeline.limit),
        "prefect.flow_run_id": flow_run_id,
    }
    try:
        with start_run(location, params.tracking.experiment, f"timeline {tags['lorag.versions']}", tags) as run:
            run.log_params(params.model_dump(mode="json"))
            for number, step in enumerate(timeline.steps, start=1):
                metrics = {f"facts.{change}": float(n) for change, n in step.facts.items()}
                for row in step.rows:
                    metrics |= {f"{row.strategy}.{name}": value for name, value in _metrics(row)}
                for aged in step.aged:
                    prefix = f"{aged.strategy}.aged_{aged.age}.timeline"
                    metrics |= {f"{prefix}.{name}": found.value for name, found in aged.figures.items()}
                run.log_metrics(metrics, step=number)
            for strategy in dict.fromkeys(row.strategy for step in timeline.steps for row in step.rows):
                _log_strategy(strategy, outcome, walk, location, {**tags, PARENT_TAG: run.run_id})
            rows = list(timeline.table())
            run.log_table({name: [row[name] for row in rows] for name in rows[0]}, "timeline_table.json")
            run.log_json(timeline.to_json(), "timeline.json")
            run.log_figure(plot_freshness(timeline), "plots/timeline.png")
            run.log_figure(plot_leftovers(timeline), "plots/timeline_leftovers.png")
            log_plan(run, _plan(timeline, walk, environment))
            return replace(outcome, mlflow_run_id=run.run_id)
    except StoreFailed as error:
        logger.warning("the walk is done but not logged: %s", error)
        return outcome


def _plan(timeline: Timeline, walk: Walk, environment: Mapping[str, str]) -> Plan | None:
    comparison = read_report(walk.workspace.reports / "comparison.json", Comparison.from_json)
    curves = curves_of(timeline, comparison, walk.params)
    ledger = read_ledger(walk.workspace, walk.params, environment).on_newest_machine()
    measured = measure(ledger, stored_bytes(walk.workspace, walk.params))
    return plan_for(middle_load(walk.params), measured, curves, walk.params) if curves else None


def _log_strategy(
    strategy: Strategy, outcome: TimelineOutcome, walk: Walk, location: TrackingLocation, tags: dict[str, str]
) -> None:
    name = f"timeline {strategy}"
    with start_run(location, walk.params.tracking.experiment, name, {**tags, "lorag.strategy": strategy}) as run:
        for number, step in enumerate(outcome.timeline.steps, start=1):
            rows = [row for row in step.rows if row.strategy == strategy]
            metrics = {name: value for row in rows for name, value in _metrics(row)}
            seconds = [row.fresh.time_to_fresh_s for row in rows if row.fresh.time_to_fresh_s is not None]
            if seconds and number > 1:
                metrics["fresh.time_to_fresh_s"] = min(seconds)
            run.log_metrics(metrics, step=number)
        log_traces(location, run.run_id, list(_traces(strategy, outcome, walk)))


def _traces(strategy: Strategy, outcome: TimelineOutcome, walk: Walk) -> Iterator[TracedAnswer]:
    now = time.time_ns()
    for step, told in zip(walk.steps, outcome.timeline.steps, strict=True):
        for moment in [row.moment for row in told.rows if row.strategy == strategy]:
            for row, verdicts in judged_answers(step, walk, strategy, moment):
                tokens = {"tokens_prompt": row.answer.prompt_tokens, "tokens_generated": row.answer.generated_tokens}
                yield TracedAnswer(
                    f"{told.version} {moment} {strategy}",
                    row.question.text,
                    row.answer.text,
                    now,
                    now,
                    now,
                    row.answer.context,
                    tokens,
                    {"lorag.release": told.release, "lorag.change": row.question.stratum},
                    row.question.accepted,
                    verdicts,
                )


def _metrics(row: TimelineRow) -> Iterator[tuple[str, float]]:
    prefix = "stale_adapter." if row.is_stale and row.moment is Moment.REFRESHED else ""
    for name, found in row.figures.items():
        yield f"{prefix}timeline.{name}", found.value
    if row.fresh.published_s is not None:
        yield f"{prefix}timeline.published_s", row.fresh.published_s
    if row.cost is not None:
        for name, value in row.cost.as_metrics().items():
            yield f"{prefix}{name}", value
