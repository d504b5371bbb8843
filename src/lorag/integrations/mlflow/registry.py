"""The adapters in MLflow's model registry: their files and the code to ask them, never the base model's weights."""

import json
import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.integrations.mlflow.tracking import TrackingLocation, connect, failures_mapped
from lorag.params import GenerationParams
from lorag.strategies import AdapterKind

CHAMPION = "champion"
"""The alias of the version that is served."""

SHA256_TAG = "lorag.adapter_sha256"

MODEL_TAG = "lorag.model_id"
"""The tag for the logged model of a version, because a database in a file does not return it."""

_CODE = Path(__file__).with_name("adapter_model.py")
_SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class RegisteredAdapter:
    """A version of a registered model; metrics that name `model_id` are compared in the tab *Models*."""

    version: str
    model_id: str | None


@dataclass(frozen=True, slots=True)
class AdapterSource:
    """An adapter to register: its files, and the settings that the code beside them needs to ask it."""

    kind: AdapterKind
    sha256: str
    folder: Path
    base_model_sha256: str
    generation: GenerationParams

    def settings(self) -> dict[str, Any]:
        """Return the settings that adapter_model.py reads."""
        return {
            "adapter": self.kind.value,
            "base_model_sha256": self.base_model_sha256,
            "generation": self.generation.model_dump(mode="json"),
        }


def registered_name(experiment: str, kind: AdapterKind) -> str:
    """Return the adapter's name in the registry."""
    return f"{experiment}-{kind}"


def register_adapter(
    location: TrackingLocation, run_id: str, name: str, source: AdapterSource, tags: Mapping[str, str]
) -> RegisteredAdapter:
    """Return the version of the registered model `name` with this adapter; it is made once for each sha256.

    The version belongs to the run. Raises StoreFailed.
    """
    with failures_mapped(location):
        client = connect(location)
        if (known := find_adapter(location, name, source.sha256)) is not None:
            return known
        if not client.search_registered_models(f"name = '{name}'"):
            client.create_registered_model(name)
        experiment_id = client.get_run(run_id).info.experiment_id
        model = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, tags=dict(tags))
        with _packaged(source) as folder:
            client.log_model_artifacts(model.model_id, str(folder))
        client.finalize_logged_model(model.model_id, "READY")
        version = client.create_model_version(
            name,
            source=model.artifact_location,
            run_id=run_id,
            tags={**tags, SHA256_TAG: source.sha256, MODEL_TAG: model.model_id},
            model_id=model.model_id,
        )
        return RegisteredAdapter(str(version.version), model.model_id)


def find_adapter(location: TrackingLocation, name: str, sha256: str) -> RegisteredAdapter | None:
    """Return the version of that adapter; None where it was never registered. Raises StoreFailed."""
    with failures_mapped(location):
        found = connect(location).search_model_versions(f"name = '{name}' and tag.`{SHA256_TAG}` = '{sha256}'")
        return RegisteredAdapter(str(found[0].version), found[0].tags.get(MODEL_TAG)) if found else None


def point_champion_at(location: TrackingLocation, name: str, sha256: str) -> bool:
    """Move the alias to the version of that adapter; False where none was registered. Raises StoreFailed."""
    with failures_mapped(location):
        found = find_adapter(location, name, sha256)
        if found is None:
            return False
        connect(location).set_registered_model_alias(name, CHAMPION, found.version)
        return True


@contextmanager
def _packaged(source: AdapterSource) -> Iterator[Path]:
    """Yield a folder that MLflow can load: the adapter's files, the settings and the code, without any pickle."""
    from mlflow.pyfunc import save_model

    # MLflow warns of packages that it cannot infer, because it does not run the code.
    logging.getLogger("mlflow.models").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="lorag-") as scratch:
        settings = Path(scratch) / _SETTINGS
        settings.write_text(json.dumps(source.settings(), indent=2), encoding="utf-8")
        folder = Path(scratch) / "model"
        save_model(
            str(folder),
            python_model=str(_CODE),
            artifacts={"adapter": str(source.folder), "settings": str(settings)},
            pip_requirements=["lorag"],
        )
        yield folder
