"""The MLflow run of a refresh: settings, plan, digests, metrics, costs, plots and Data Docs."""

import csv
import json
import logging
from collections.abc import Mapping
from typing import Any

from lorag.errors import StoreFailed
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.mlflow.ledger import machine_tag
from lorag.integrations.mlflow.tracking import Period, Run, TrackingLocation, start_run
from lorag.params import Params
from lorag.use_cases.refresh.steps import RefreshOutcome
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


def log_refresh(
    outcome: RefreshOutcome, workspace: Workspace, params: Params, location: TrackingLocation, flow_run_id: str
) -> str | None:
    """Return the id of the run; None if MLflow cannot be reached, which never undoes what was published."""
    release = outcome.release
    tags = {
        "lorag.kind": "refresh",
        "lorag.release": release.id,
        "lorag.published": str(outcome.published).lower(),
        "lorag.content_digest": release.content_digest,
        "lorag.corpus_digest": release.corpus_digest,
        "lorag.params_digest": release.params_digest,
        "lorag.embedder_fingerprint": release.embedder_fingerprint,
        "lorag.embedding_backend": outcome.embedding.backend,
        "git.commit": release.git_commit or "",
        "dvc.revision": dvc_repo.revision(workspace.root) or "",
        "prefect.flow_run_id": flow_run_id,
        **machine_tag(outcome.cost),
    }
    try:
        period = Period.until_now(outcome.cost.use.wall_s)
        with start_run(location, params.tracking.experiment, f"refresh {release.id}", tags, period) as run:
            _log_content(run, outcome, workspace, params)
            return run.run_id
    except StoreFailed as error:
        logger.warning("the refresh is published but not logged: %s", error)
        return None


def _log_content(run: Run, outcome: RefreshOutcome, workspace: Workspace, params: Params) -> None:
    run.log_params(params.model_dump(mode="json"))
    run.log_metrics(_metrics(outcome))
    release = outcome.release
    run.log_dataset("documents", release.corpus_digest, params.knowledge.source, len(release.documents), "knowledge")
    run.log_json(outcome.to_json(), "refresh.json")
    if not outcome.published:
        return
    # Matplotlib takes half a second to import, and a refresh without changes draws nothing.
    from lorag.reports.run_plots import plot_chunk_tokens, plot_plan, plot_retrieval

    run.log_figure(plot_plan(outcome.counts), "plots/plan.png")
    with (workspace.reports / "chunk_tokens.csv").open(encoding="utf-8", newline="") as file:
        spread = {int(row["tokens"]): int(row["chunks"]) for row in csv.DictReader(file)}
    run.log_figure(plot_chunk_tokens(spread, params.chunking.max_tokens), "plots/chunk_tokens.png")
    retrieval = _read_report(workspace, "retrieval.json")
    run.log_metrics(_retrieval_metrics(retrieval))
    if len(retrieval) > 1:
        measured = {kind: metrics for kind, metrics in retrieval.items() if isinstance(metrics, dict)}
        run.log_figure(plot_retrieval(measured), "plots/retrieval.png")
    run.log_folder(workspace.validation_folder, "validation")
    for path in (workspace.rejected_file, workspace.root / "dvc.lock", workspace.root / "dvc.yaml"):
        run.log_file(path, "pipeline")


def _metrics(outcome: RefreshOutcome) -> dict[str, float]:
    counts = outcome.counts
    metrics = {
        "plan.added": counts.added,
        "plan.changed": counts.changed,
        "plan.removed": counts.removed,
        "plan.kept": counts.kept,
        "plan.embedded": outcome.embedding.n_embedded,
        "index.chunks": outcome.release.n_chunks,
        "index.documents": len(outcome.release.documents),
        "index.mended": outcome.mended,
        "documents.rejected": outcome.rejected,
        **outcome.cost.as_metrics(),
    }
    if outcome.published:
        metrics["gate.turned_answers"] = len(outcome.turned)
    if outcome.release.recall_at_10 is not None:
        metrics["gate.recall_at_10"] = outcome.release.recall_at_10
    if outcome.lag is not None:
        metrics |= {"freshness.embedding_lag_s": outcome.lag.median}
        metrics |= {"freshness.greatest_embedding_lag_s": outcome.lag.greatest}
    return {name: float(value) for name, value in metrics.items()}


def _read_report(workspace: Workspace, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((workspace.reports / name).read_text(encoding="utf-8"))
    return value


def _retrieval_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    return {
        f"retrieval.{kind}.{name}": value
        for kind, metrics in report.items()
        if isinstance(metrics, dict)
        for name, value in metrics.items()
    }
