"""The MLflow run of a comparison, with a child for each strategy; metric names are the same in all children."""

import logging
import time
from collections.abc import Mapping
from dataclasses import replace

from lorag.costs.plan import Plan
from lorag.errors import StoreFailed
from lorag.evaluation.answer_rows import AnswerRow
from lorag.evaluation.comparison import BESIDE, IDEAL, READING, Figures
from lorag.evaluation.feedback import judge_answer
from lorag.evaluation.routing import Routing
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.mlflow.ledger import machine_tag
from lorag.integrations.mlflow.registry import find_adapter, registered_name
from lorag.integrations.mlflow.traces import TracedAnswer, log_traces
from lorag.integrations.mlflow.tracking import PARENT_TAG, Run, TrackingLocation, start_run
from lorag.params import Params
from lorag.reports.comparison_plots import plot_quality, plot_retrievers, plot_risk, plot_seconds, plot_strata
from lorag.strategies import Strategy
from lorag.use_cases.compare.log_plan import log_plan
from lorag.use_cases.compare.measure_speed import Timing
from lorag.use_cases.compare.steps import CompareOutcome
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

TRIPLE = ("lorag.release", "lorag.corpus_digest", "lorag.content_digest", "lorag.adapter_sha256")
"""The tags of what an answer depended on, with the release that names it."""


def log_compare(
    outcome: CompareOutcome,
    workspace: Workspace,
    params: Params,
    location: TrackingLocation,
    flow_run_id: str,
    plan: Plan | None,
) -> CompareOutcome:
    """Return the outcome with the ids of its runs; None if MLflow cannot be reached.

    The ledger reads each child as a batch of answers. `cost.*` is the cost of `queries` questions streamed from the
    served release, or otherwise of the generated batch, as the tag `lorag.cost_source` says. Without either the child
    has no cost. The cost of the batch is always under `batch.*`. The parent has the `plan` that follows from the
    comparison and the walk, if there is one.
    """
    runs: dict[Strategy, str] = {}
    release = outcome.chosen.release
    tags = _tags(outcome) | {"lorag.kind": "comparison", "prefect.flow_run_id": flow_run_id}
    tags |= {"dvc.revision": dvc_repo.revision(workspace.root) or ""}
    try:
        with start_run(location, params.tracking.experiment, f"compare {release.id}", tags) as parent:
            for strategy in outcome.chosen.strategies:
                runs[strategy] = _log_strategy(strategy, outcome, params, location, parent.run_id)
            logged = replace(outcome, mlflow_run_id=parent.run_id, runs=runs)
            _log_parent(parent, logged, workspace, params)
            log_plan(parent, plan)
            return logged
    except StoreFailed as error:
        logger.warning("the comparison is done but not logged: %s", error)
        return replace(outcome, runs=runs)


def _log_strategy(
    strategy: Strategy, outcome: CompareOutcome, params: Params, location: TrackingLocation, parent_id: str
) -> str:
    tags = _tags(outcome) | {
        PARENT_TAG: parent_id,
        "lorag.kind": "answers",
        "lorag.strategy": strategy,
        "lorag.adapter_sha256": outcome.chosen.adapters.get(strategy, ""),
        "lorag.cost_source": outcome.cost_source(strategy) or "none",
        **machine_tag(outcome.cost(strategy)),
    }
    name = f"answers {strategy} {outcome.chosen.release.id}"
    with start_run(location, params.tracking.experiment, name, tags) as run:
        run.log_params(params.model_dump(mode="json"))
        metrics = _metrics(strategy, outcome, params)
        run.log_metrics(metrics)
        if adapter := _registered(strategy, outcome, params, location):
            run.log_metrics({name: metrics[name] for name in metrics if name.startswith("quality.")}, model_id=adapter)
        _log_dataset(run, outcome, params)
        run.log_table(
            {
                "question": [row.question.text for row in outcome.rows[strategy]],
                "accepted": [" / ".join(row.question.accepted) for row in outcome.rows[strategy]],
                "answer": [row.answer.text for row in outcome.rows[strategy]],
                "kind": [row.answer.kind.value for row in outcome.rows[strategy]],
                "stratum": [row.question.stratum for row in outcome.rows[strategy]],
                "citations": [len(row.answer.citations) for row in outcome.rows[strategy]],
            },
            "answers.json",
        )
        speed = outcome.time(strategy).speed
        timings = {timing.question: timing for timing in speed.timings} if speed is not None else {}
        answered_ns = time.time_ns()
        log_traces(
            location,
            run.run_id,
            [
                _trace(row, timings.get(row.question.text), answered_ns, strategy, tags)
                for row in outcome.rows[strategy]
            ],
        )
        return run.run_id


def _registered(strategy: Strategy, outcome: CompareOutcome, params: Params, location: TrackingLocation) -> str | None:
    """Return the id of the logged model of the strategy's adapter; None without one, or if its gate refused it."""
    kind = strategy.profile.adapter
    if kind is None:
        return None
    name = registered_name(params.tracking.experiment, kind)
    found = find_adapter(location, name, outcome.chosen.adapters[strategy])
    return found.model_id if found else None


def _trace(
    row: AnswerRow, timing: Timing | None, answered_ns: int, strategy: Strategy, tags: Mapping[str, str]
) -> TracedAnswer:
    """Return the trace of an answer, with its seconds if it was timed; one from a batch has none of its own."""
    started = answered_ns if timing is None else timing.started_ns
    asked_s, total_s = (0.0, 0.0) if timing is None else (timing.asked_s, timing.total_s)
    return TracedAnswer(
        f"answer {strategy}",
        row.question.text,
        row.answer.text,
        started,
        started + round(1e9 * (asked_s if asked_s is not None else total_s)),
        started + round(1e9 * total_s),
        row.answer.context,
        {"tokens_prompt": row.answer.prompt_tokens, "tokens_generated": row.answer.generated_tokens},
        {name: tags[name] for name in TRIPLE if tags[name]},
        row.question.accepted,
        judge_answer(row, reads=strategy.profile.reads),
    )


def _metrics(strategy: Strategy, outcome: CompareOutcome, params: Params) -> dict[str, float]:
    comparison, timed, batch = outcome.comparison, outcome.time(strategy), outcome.batch(strategy)
    figures = comparison.strategies[strategy]
    metrics = _values("quality", figures)
    if strategy in outcome.chosen.coverage:
        metrics |= outcome.chosen.coverage[strategy].as_metrics()
    metrics |= {f"kinds.{name}": float(n) for name, n in comparison.kinds.get(strategy, {}).items()}
    metrics |= {f"interval.{name}.low": found.low for name, found in figures.items()}
    metrics |= {f"interval.{name}.high": found.high for name, found in figures.items()}
    metrics |= _values("ideal", comparison.strategies.get(f"{strategy}{IDEAL}", {}))
    metrics |= _values("reading", comparison.strategies.get(f"{strategy}{READING}", {}))
    metrics |= _values("beside", comparison.strategies.get(f"{strategy}{BESIDE}", {}))
    for stratum, found in comparison.strata[strategy].items():
        metrics |= _values(f"strata.{_plain(stratum)}", found)
    if strategy.profile.reads and comparison.retrieval is not None:
        metrics |= _values(f"retrieval.{params.search.retriever.value}", comparison.retrieval)
    if batch is not None:
        metrics |= {"batch.queries": float(batch.n_queries)}
        metrics |= {f"batch.{name}": value for name, value in batch.cost.as_metrics().items()}
    if timed.speed is not None:
        metrics |= {f"speed.{name}": value for name, value in timed.speed.figures().items()}
        metrics |= {"queries": float(len(timed.speed.timings)), **timed.speed.cost.as_metrics()}
    elif batch is not None:
        metrics |= {"queries": float(batch.n_queries), **batch.cost.as_metrics()}
    return metrics


def _values(prefix: str, figures: Figures) -> dict[str, float]:
    return {f"{prefix}.{name}": found.value for name, found in figures.items()}


def _plain(name: str) -> str:
    # MLflow accepts letters, digits and a few signs in a metric's name; a stratum is any text from a file.
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)[:60]


def _log_parent(run: Run, outcome: CompareOutcome, workspace: Workspace, params: Params) -> None:
    run.log_params(params.model_dump(mode="json"))
    run.log_metrics({f"questions.{name}": float(n) for name, n in outcome.comparison.questions.items()})
    _log_dataset(run, outcome, params)
    run.log_json(outcome.to_json(), "comparison.json")
    rows = list(outcome.comparison.table())
    run.log_table({name: [row[name] for row in rows] for name in rows[0]}, "comparison_table.json")
    run.log_figure(plot_quality(outcome.comparison), "plots/quality.png")
    if isinstance(outcome.auto, Routing):
        run.log_metrics(_auto_metrics(outcome.auto))
        run.log_figure(plot_risk(outcome.auto), "plots/risk_coverage.png")
    for name, drawing in (
        ("strata", plot_strata(outcome.comparison)),
        ("retrievers", plot_retrievers(outcome.comparison)),
    ):
        if drawing is not None:
            run.log_figure(drawing, f"plots/{name}.png")
    speeds: dict[str, Mapping[str, float]] = {
        timed.strategy: timed.speed.figures() for timed in outcome.timed if timed.speed is not None
    }
    if speeds:
        run.log_figure(plot_seconds(speeds), "plots/seconds.png")
    run.log_file(outcome.report)
    for path in (workspace.root / "dvc.lock", workspace.root / "dvc.yaml"):
        run.log_file(path, "pipeline")


def _auto_metrics(routing: Routing) -> dict[str, float]:
    verdict, known = routing.verdict, routing.calibration
    gain = {"gain": verdict.gain.value, "gain.low": verdict.gain.low, "gain.high": verdict.gain.high}
    figures = {**gain, "seconds": verdict.seconds, "calibration_error": known.error, "risk_area": known.area}
    serves = {"auto.serves": float(verdict.reason is None)}
    return serves | _values("auto", routing.figures) | {f"auto.{name}": value for name, value in figures.items()}


def _log_dataset(run: Run, outcome: CompareOutcome, params: Params) -> None:
    comparison = outcome.comparison
    run.log_dataset(
        "questions",
        comparison.question_set_digest,
        params.knowledge.questions,
        sum(comparison.questions.values()),
        "evaluation",
    )


def _tags(outcome: CompareOutcome) -> dict[str, str]:
    release = outcome.chosen.release
    return {
        "lorag.release": release.id,
        "lorag.corpus_digest": release.corpus_digest,
        "lorag.content_digest": release.content_digest,
        "lorag.question_set_digest": outcome.comparison.question_set_digest,
        "lorag.limit": "" if outcome.limit is None else str(outcome.limit),
        "lorag.left_out": ", ".join(outcome.chosen.left_out),
        "git.commit": release.git_commit or "",
    }
