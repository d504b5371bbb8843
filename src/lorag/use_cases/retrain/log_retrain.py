"""The MLflow runs of a retrain, one for each adapter, and the registration of the served adapters."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lorag.errors import StoreFailed
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.mlflow.ledger import machine_tag
from lorag.integrations.mlflow.registry import AdapterSource, point_champion_at, register_adapter, registered_name
from lorag.integrations.mlflow.tracking import Period, Run, TrackingLocation, start_run
from lorag.params import Params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.record import Release
from lorag.reports.run_plots import plot_loss, plot_probes
from lorag.strategies import AdapterKind
from lorag.use_cases.retrain.starting_adapter import LINEAGE
from lorag.use_cases.retrain.steps import Candidate
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)


def log_retrain(
    candidates: Sequence[Candidate],
    release: Release,
    workspace: Workspace,
    params: Params,
    location: TrackingLocation,
    flow_run_id: str,
) -> dict[AdapterKind, str | None]:
    """Return the id of each adapter's run; None if MLflow cannot be reached, which never undoes what was published.

    Adapters that failed their gate have a run too. The served ones are registered, and the alias `champion` points
    at them.
    """
    runs: dict[AdapterKind, str | None] = {}
    for candidate in candidates:
        try:
            runs[candidate.kind] = _log_candidate(candidate, release, workspace, params, location, flow_run_id)
        except StoreFailed as error:
            logger.warning("the %s adapter is not logged; what is served does not change: %s", candidate.kind, error)
            runs[candidate.kind] = None
    return runs


def _log_candidate(
    candidate: Candidate,
    release: Release,
    workspace: Workspace,
    params: Params,
    location: TrackingLocation,
    flow_run_id: str,
) -> str:
    entry = candidate.entry
    tags = {
        "lorag.kind": "retrain",
        "lorag.adapter": candidate.kind.value,
        "lorag.adapter_sha256": entry.sha256,
        "lorag.base_model_sha256": entry.base_model_sha256,
        "lorag.training_set_digest": entry.training_set_digest,
        "lorag.facts_digest": entry.facts_digest,
        "lorag.release": release.id,
        "lorag.published": str(candidate.publishable).lower(),
        "lorag.extent": candidate.extent.value,
        "lorag.failed_probes": ", ".join(probe.name for probe in candidate.failed),
        "git.commit": release.git_commit or "",
        "dvc.revision": dvc_repo.revision(workspace.root) or "",
        "prefect.flow_run_id": flow_run_id,
        **machine_tag(candidate.cost),
    }
    # The list of runs shows no tag, and a refused adapter has the same tick as a served one.
    name = f"retrain {entry.id}{' (refused)' if candidate.failed else ''}"
    period = Period.until_now(candidate.cost.use.wall_s)
    with start_run(location, params.tracking.experiment, name, tags, period) as run:
        _log_content(run, candidate, workspace, params)
        if not (candidate.failed or candidate.is_withdrawn):
            _register(run, candidate, workspace, params, location)
        return run.run_id


def _register(run: Run, candidate: Candidate, workspace: Workspace, params: Params, location: TrackingLocation) -> None:
    entry = candidate.entry
    name = registered_name(params.tracking.experiment, candidate.kind)
    folder = AdapterShelf(workspace.adapters).open(entry.sha256)
    source = AdapterSource(candidate.kind, entry.sha256, folder, entry.base_model_sha256, params.generation)
    tags = {
        "lorag.base_model_sha256": entry.base_model_sha256,
        "lorag.training_set_digest": entry.training_set_digest,
        "lorag.n_documents": str(len(entry.documents)),
        "lorag.coverage": entry.coverage.line() if entry.coverage else "",
        **{f"gate.{probe}": f"{value:.4f}" for probe, value in entry.gate.items()},
        **{name: f"{value:.6g}" for name, value in candidate.cost.as_metrics().items()},
    }
    registered = register_adapter(location, run.run_id, name, source, tags)
    run.log_metrics(_metrics(candidate), model_id=registered.model_id)
    point_champion_at(location, name, entry.sha256)


def _log_content(run: Run, candidate: Candidate, workspace: Workspace, params: Params) -> None:
    run.log_params(params.model_dump(mode="json"))
    run.log_metrics(_metrics(candidate))
    curves = _curves(candidate.training)
    for name, values in curves.items():
        run.log_curve(f"training.{name}", values)
    losses = {name: values for name, values in curves.items() if name.endswith("loss")}
    run.log_figure(plot_loss(losses), "plots/loss.png")
    run.log_figure(plot_probes(candidate.probes), "plots/probes.png")
    counted = {refusal.probe.name: refusal.counted for refusal in candidate.refusals}
    run.log_table(
        {
            "probe": [probe.name for probe in candidate.probes],
            "value": [probe.value for probe in candidate.probes],
            "limit": [probe.limit for probe in candidate.probes],
            "passed": [probe.passed for probe in candidate.probes],
            "counted": [counted.get(probe.name, "") for probe in candidate.probes],
        },
        "probes.json",
    )
    if candidate.refusals:
        run.log_json({"refusals": [refusal.to_json() for refusal in candidate.refusals]}, "refusal.json")
    run.log_json(dict(candidate.training), "training.json")
    training_set = workspace.training_folder(candidate.kind)
    run.log_dataset(
        f"training_set {candidate.kind}",
        candidate.entry.training_set_digest,
        str(training_set.relative_to(workspace.root)),
        sum(1 for _ in (training_set / "train.jsonl").open(encoding="utf-8")),
        "training",
    )
    # The documents that it saw, with their versions.
    run.log_json(asdict(candidate.entry), "adapter.json")
    run.log_file(workspace.training_folder(candidate.kind) / LINEAGE)
    run.log_file(workspace.adapter_report(candidate.kind), "evaluation")
    validation = workspace.training_folder(candidate.kind) / "validation"
    if validation.is_dir():
        run.log_folder(validation, "validation")
    for path in (workspace.root / "dvc.lock", workspace.root / "dvc.yaml", workspace.starts_file):
        run.log_file(path, "pipeline")


def _metrics(candidate: Candidate) -> dict[str, float]:
    """Return the metrics of the run, which the registered adapter has too."""
    metrics = {f"probe.{probe.name}": float(probe.value) for probe in candidate.probes}
    training = {f"training.{n}": float(v) for n, v in candidate.training.items() if isinstance(v, int | float)}
    coverage = candidate.entry.coverage.as_metrics() if candidate.entry.coverage else {}
    return {**candidate.cost.as_metrics(), **metrics, **coverage, **training}


def _curves(training: Mapping[str, Any]) -> dict[str, dict[int, float]]:
    """Return curves as name to step to value: the loss, and each epoch's measurements at that epoch's last step."""
    losses = [float(value) for value in training["losses"]]
    curves: dict[str, dict[int, float]] = {"loss": dict(enumerate(losses, start=1))}
    for number, epoch in enumerate(training["epochs"], start=1):
        step = round(number * len(losses) / len(training["epochs"]))
        for name in ("validation_loss", "validation_accuracy"):
            if epoch[name] is not None:
                curves.setdefault(name, {})[step] = float(epoch[name])
    return curves
