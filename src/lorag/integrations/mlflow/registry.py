"""Adapters in MLflow's model registry: their files alone, never the base model's."""

from collections.abc import Mapping
from pathlib import Path

from lorag.integrations.mlflow.tracking import TrackingLocation, connect, failures_mapped
from lorag.strategies import AdapterKind

CHAMPION = "champion"
"""The alias of the version that is served."""

SHA256_TAG = "lorag.adapter_sha256"


def registered_name(experiment: str, kind: AdapterKind) -> str:
    """The adapter's name in the registry."""
    return f"{experiment}-{kind}"


def register_adapter(
    location: TrackingLocation, run_id: str, name: str, sha256: str, folder: Path, tags: Mapping[str, str]
) -> str:
    """The version of the registered model `name` that holds the folder's files, made once for each `sha256`.

    Belongs to the run. Raises StoreFailed.
    """
    with failures_mapped(location):
        client = connect(location)
        if (known := _find_version(location, name, sha256)) is not None:
            return known
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        experiment_id = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, tags=dict(tags))
        client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        version = client.create_model_version(
            name,
            source=model.artifact_location,
            run_id=run_id,
            tags={**tags, SHA256_TAG: sha256},
            model_id=model.model_id,
        )
        return str(version.version)


def point_champion_at(location: TrackingLocation, name: str, sha256: str) -> bool:
    """Moves the alias to the version of that adapter; False where none was registered. Raises StoreFailed."""
    with failures_mapped(location):
        version = _find_version(location, name, sha256)
        if version is None:
            return False
        connect(location).set_registered_model_alias(name, CHAMPION, version)
        return True


def _find_version(location: TrackingLocation, name: str, sha256: str) -> str | None:
    found = connect(location).search_model_versions(f"name = '{name}' and tag.`{SHA256_TAG}` = '{sha256}'")
    return str(found[0].version) if found else None
