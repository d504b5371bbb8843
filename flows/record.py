"""The records of a run on a permanent server: artifacts, the ids in other systems, and events for what follows.

A server that one command starts for itself gets none of them: nobody would see them, and the command would wait.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect.runtime import flow_run

from lorag.errors import StoreFailed
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.mlflow.tracking import locate_tracking, run_path
from lorag.integrations.prefect.events import EventName, emit_event
from lorag.integrations.prefect.record import RunRecord, record_run
from lorag.integrations.prefect.server import server_api
from lorag.params import Params
from lorag.releases.record import Release
from lorag.workspace import Workspace

if TYPE_CHECKING:
    # Each flow needs only its own outcome, and a refresh without change waits for every import.
    from lorag.use_cases.compare.steps import CompareOutcome
    from lorag.use_cases.refresh.steps import RefreshOutcome
    from lorag.use_cases.retrain.steps import RetrainOutcome

logger = logging.getLogger(__name__)

DATA_DOCS = "data_docs/index.html"
"""The page of Great Expectations in a validation folder."""


def record_refresh(outcome: "RefreshOutcome", workspace: Workspace, params: Params) -> None:
    """Record plan, gate and costs; emit events for a published release, and for the adapters to train for it now."""
    found = outcome.to_json()
    gate = {name: found[name] for name in ("n_documents", "n_chunks", "mended", "rejected")}
    # A run whose gate refused ends before this.
    limits = params.gate
    recall = {"value": found["recall_at_10"], "limit": limits.min_recall_at_10, "passed": True}
    gate["recall_at_10"] = "no questions" if recall["value"] is None else f"{recall['value']:.4g} {_verdict(recall)}"
    gate["chunks that may go"] = f"{limits.max_shrink_share:.0%} of those of the release before"
    tables = {"plan": found["plan"], "gate": gate, "costs": _costs(found["cost"])}
    report = workspace.validation_folder / DATA_DOCS
    if _record("refresh", tables, outcome.mlflow_run_id, report, outcome.release, workspace) and outcome.published:
        _emit(EventName.RELEASE_PUBLISHED, workspace, params, outcome.release, "refresh")
        from lorag.use_cases.operate.retrain_due import adapters_due

        if due := adapters_due(workspace, params):
            _emit(EventName.RETRAIN_DUE, workspace, params, outcome.release, "refresh", {"adapters": due})


def record_retrain(outcome: "RetrainOutcome", workspace: Workspace, params: Params) -> None:
    """Record each adapter's forecast, probes and costs, also if it failed; emit an event for a published release."""
    for kind, forecast in outcome.forecasts.items():
        found = forecast.to_json()
        names = ("stops", "n_facts", "wordings_least", "wordings_median", "tokens", "epochs", "minutes", "memory_mb")
        said = {name: found[name] for name in names} | {"coverage": forecast.coverage.line()}
        said |= {each.limit: each.sentence for each in reversed(forecast.obstacles)}
        report = workspace.training_folder(kind) / "validation" / DATA_DOCS
        if not _record(f"retrain-{kind}", {"forecast": said}, None, report, outcome.release, workspace):
            return
    for kind, found in outcome.to_json()["adapters"].items():
        probes = {name: f"{probe['value']:.4g} {_verdict(probe)}" for name, probe in found["probes"].items()}
        for refusal in found["refusals"]:
            probes[refusal["probe"]] += f": {refusal['counted']}; {', '.join(refusal['do'])}"
        tables = {
            "plan": {"stages": ", ".join(found["stages"]) or "none"},
            "gate": probes,
            "costs": _costs(found["cost"]),
        }
        if missed := _missed(found["refusals"]):
            tables["refused"] = missed
        report = workspace.training_folder(kind) / "validation" / DATA_DOCS
        if not _record(f"retrain-{kind}", tables, found["mlflow_run_id"], report, outcome.release, workspace):
            return
    if outcome.published:
        _emit(EventName.RELEASE_PUBLISHED, workspace, params, outcome.release, "retrain")


def record_compare(outcome: "CompareOutcome", workspace: Workspace) -> None:
    """Record what was compared, and the report."""
    found = outcome.to_json()
    plan = {"strategies": ", ".join(outcome.chosen.strategies), "left out": ", ".join(outcome.chosen.left_out)}
    tables = {"plan": plan | {"questions": found["questions"], "stages": ", ".join(outcome.stages) or "none"}}
    _record("compare", tables, outcome.mlflow_run_id, outcome.report, outcome.chosen.release, workspace)


def _record(
    prefix: str,
    tables: Mapping[str, Mapping[str, Any]],
    mlflow_run_id: str | None,
    report: Path,
    release: Release,
    workspace: Workspace,
) -> bool:
    """Record the run; return whether a server has received it."""
    if server_api() is None or flow_run.id is None:
        return False
    rows = {
        name: [{"name": key, "value": _readable(value)} for key, value in found.items()]
        for name, found in tables.items()
    }
    tags = {
        "release": release.id,
        "mlflow": mlflow_run_id,
        "git": release.git_commit,
        "dvc": dvc_repo.revision(workspace.root),
    }
    try:
        links = {
            "mlflow-run": _mlflow_page(workspace, mlflow_run_id),
            "report": report.as_uri() if report.is_file() else None,
        }
        record_run(str(flow_run.id), prefix, RunRecord(rows, links, tags))
    except StoreFailed as error:
        logger.warning("the run is not recorded; what was published stays: %s", error)
        return False
    return True


def _emit(
    name: EventName,
    workspace: Workspace,
    params: Params,
    release: Release,
    by: str,
    more: Mapping[str, Any] | None = None,
) -> None:
    questions = workspace.resolve(params.knowledge.questions)
    # Without questions there is nothing to compare.
    labels = {"lorag.by": by, "lorag.questions": "some" if questions.is_file() and questions.stat().st_size else "none"}
    try:
        emit_event(name, workspace.root, {"release": release.id, **(more or {})}, labels)
    except StoreFailed as error:
        logger.warning("no other flow will start after this run: %s", error)


def _mlflow_page(workspace: Workspace, run_id: str | None) -> str | None:
    from lorag.use_cases.operate.operate import mlflow_address

    address = mlflow_address(workspace, os.environ)
    return f"{address}/{run_path(locate_tracking(workspace.state, os.environ), run_id)}" if address and run_id else None


def _missed(refusals: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for the first questions behind each failed probe the expected and the given answer."""
    return {
        f"{refusal['probe']}: {row['question']}": f"expected {' / '.join(row['expected']) or 'to be declined'}, given "
        f"{row['given']}"
        for refusal in refusals
        for row in refusal["questions"]
    }


def _costs(cost: Mapping[str, Any]) -> dict[str, Any]:
    """Return the costs that are known in units that need no exponent: watt-hours and megabytes."""
    known = {name: value for name, value in cost.items() if value is not None and name != "machine"}
    known["wh"] = 1_000 * float(known.pop("kwh", 0.0))
    if "bytes_written" in known:
        known["mb_written"] = known.pop("bytes_written") / 1e6
    return known


def _readable(value: Any) -> Any:
    """Return a number with four digits; whoever wants more finds it in the MLflow run."""
    return f"{value:,.4g}" if isinstance(value, float) else value


def _verdict(probe: Mapping[str, Any]) -> str:
    limit = "" if probe["limit"] is None else f", limit {probe['limit']:.4g}"
    return f"({'passed' if probe['passed'] else 'FAILED'}{limit})"
