"""MLflow runs: their params, metrics, tags and artifacts."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lorag.errors import StoreFailed
from lorag.integrations.empty_database import keep_empty_database, provide_database
from lorag.integrations.mlflow.notes import described
from lorag.integrations.shown_address import shown_address
from lorag.integrations.sqlite_url import sqlite_url
from lorag.params_file import flat_params

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mlflow import MlflowClient

MAX_PARAM_CHARS = 6_000
MAX_TAG_CHARS = 8_000
MAX_DIGEST_CHARS = 36
PARAMS_A_BATCH = 100
METRICS_A_BATCH = 1_000

DATABASE = "mlflow.db"
"""The file of a workspace's own runs."""

# The first experiment names a folder beside its database, so each copy makes its own.
_MIGRATE = """
import logging, os, sqlite3
logging.disable(logging.INFO)
from mlflow import MlflowClient
MlflowClient().search_experiments()
with sqlite3.connect(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///")) as connection:
    connection.execute("DELETE FROM experiments")
"""

PARENT_TAG = "mlflow.parentRunId"
"""The tag that makes a run a child of the run with that id."""

# MLflow reads these at import or at the first request. A server that is down must cost seconds, not the minutes of
# seven retries with growing pauses. Variables that the environment already sets stay.
_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
    # Otherwise MLflow prints the address of a run on a server before the JSON of a command.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True, slots=True)
class TrackingLocation:
    """The place of the runs; `artifact_root` is None if a server decides it."""

    uri: str
    artifact_root: str | None

    @property
    def shown_uri(self) -> str:
        """Return the address without user and password."""
        return shown_address(self.uri)


def locate_tracking(state: Path, environ: Mapping[str, str]) -> TrackingLocation:
    """Return the location in MLFLOW_TRACKING_URI, else a database and an artifact folder in `state`, both absolute."""
    if uri := environ.get("MLFLOW_TRACKING_URI", "").strip():
        return TrackingLocation(uri, None)
    folder = state.resolve() / "mlflow"
    return TrackingLocation(sqlite_url(folder / DATABASE), (folder / "artifacts").as_uri())


@dataclass(frozen=True, slots=True)
class Run:
    """A run that is being written; every method raises StoreFailed if the tracking store fails."""

    run_id: str
    _client: "MlflowClient"
    _location: TrackingLocation

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log nested settings as `section.key`; values that are not text as JSON; all cut at MLflow's limit."""
        from mlflow.entities import Param

        rows = [Param(name, _cut(value, MAX_PARAM_CHARS)) for name, value in flatten(params).items()]
        with failures_mapped(self._location):
            for start in range(0, len(rows), PARAMS_A_BATCH):
                self._client.log_batch(self.run_id, params=rows[start : start + PARAMS_A_BATCH])

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0, model_id: str | None = None) -> None:
        """Log numbers by name, all with the same time; `model_id` shows them with that logged model too."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        rows = [
            Metric(name, float(value), now_ms, step, model_id=model_id, run_id=self.run_id)
            for name, value in metrics.items()
        ]
        with failures_mapped(self._location):
            for start in range(0, len(rows), METRICS_A_BATCH):
                self._client.log_batch(self.run_id, metrics=rows[start : start + METRICS_A_BATCH])

    def set_tags(self, tags: Mapping[str, str]) -> None:
        """Add or replace tags."""
        from mlflow.entities import RunTag

        rows = [RunTag(name, _cut(value, MAX_TAG_CHARS)) for name, value in tags.items()]
        with failures_mapped(self._location):
            for start in range(0, len(rows), PARAMS_A_BATCH):
                self._client.log_batch(self.run_id, tags=rows[start : start + PARAMS_A_BATCH])

    def log_curve(self, name: str, values: Mapping[int, float]) -> None:
        """Log one metric over steps."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        rows = [Metric(name, float(value), now_ms, step) for step, value in values.items()]
        with failures_mapped(self._location):
            for start in range(0, len(rows), METRICS_A_BATCH):
                self._client.log_batch(self.run_id, metrics=rows[start : start + METRICS_A_BATCH])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Log a copy of the file, in the artifact folder `folder` if one is given."""
        with failures_mapped(self._location):
            self._client.log_artifact(self.run_id, str(path), folder)

    def log_folder(self, path: Path, folder: str | None = None) -> None:
        """Log a copy of the folder's contents, in the artifact folder `folder` if one is given."""
        with failures_mapped(self._location):
            self._client.log_artifacts(self.run_id, str(path), folder)

    def log_json(self, value: Mapping[str, Any], name: str) -> None:
        """Log a JSON artifact."""
        with failures_mapped(self._location):
            self._client.log_text(self.run_id, json.dumps(value, indent=2, ensure_ascii=False), name)

    def log_figure(self, figure: "Figure", name: str) -> None:
        """Log a plot as the image file `name`, such as `plots/plan.png`."""
        with failures_mapped(self._location):
            self._client.log_figure(self.run_id, figure, name)

    def log_dataset(self, name: str, digest: str, source: str, n_rows: int, context: str) -> None:
        """Log a dataset that the run read, by name and digest only.

        `source` is its path. `context` is its purpose: `knowledge`, `training` or `evaluation`.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            # MLflow refuses longer digests.
            digest=digest[:MAX_DIGEST_CHARS],
            source_type="lorag",
            source=json.dumps({"path": source}),
            profile=json.dumps({"num_rows": n_rows}),
        )
        with failures_mapped(self._location):
            tags = [InputTag("mlflow.data.context", context)]
            self._client.log_inputs(self.run_id, datasets=[DatasetInput(dataset, tags)])

    def log_table(self, columns: Mapping[str, Sequence[Any]], name: str) -> None:
        """Log a table that the UI shows and compares between runs; `name` ends in .json."""
        with failures_mapped(self._location):
            self._client.log_table(self.run_id, {key: list(values) for key, values in columns.items()}, name)


def set_up_mlflow() -> None:
    """Set the variables that MLflow reads at its first import; every use of a run calls this before it."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@dataclass(frozen=True, slots=True)
class Period:
    """The time that the work behind a run took; `ended_s` is in seconds since the epoch."""

    took_s: float
    ended_s: float

    @classmethod
    def until_now(cls, took_s: float) -> "Period":
        """Return the period of work that has just ended."""
        return cls(took_s, time.time())


@contextmanager
def start_run(
    location: TrackingLocation, experiment: str, run_name: str, tags: Mapping[str, str], period: Period | None = None
) -> Iterator[Run]:
    """Start a run and yield it; end it as FINISHED, or as FAILED if the body raises.

    With a `period`, the UI shows that as start and duration of the run, and otherwise those of the body. The experiment
    is created if it does not exist, and the run gets the description of its kind. Raises StoreFailed if MLflow cannot
    be reached or written; the caller decides what follows.
    """
    began_ms = int((period.ended_s - period.took_s) * 1000) if period else None
    ended_ms = int(period.ended_s * 1000) if period else None
    with failures_mapped(location):
        client = connect(location)
        experiment_id = find_experiment(client, experiment, location)
        cut = {name: _cut(value, MAX_TAG_CHARS) for name, value in described(tags).items()}
        run_id = client.create_run(experiment_id, start_time=began_ms, run_name=run_name, tags=cut).info.run_id
    try:
        yield Run(run_id, client, location)
    except BaseException:
        # The body's error matters, not that the store cannot record it.
        with suppress(StoreFailed), failures_mapped(location):
            client.set_terminated(run_id, "FAILED")
        raise
    with failures_mapped(location):
        client.set_terminated(run_id, "FINISHED", end_time=ended_ms)


def run_path(location: TrackingLocation, run_id: str) -> str:
    """Return the path of a run's page, relative to the address of the UI."""
    with failures_mapped(location):
        return f"#/experiments/{connect(location).get_run(run_id).info.experiment_id}/runs/{run_id}"


def flatten(tree: Mapping[str, Any]) -> dict[str, str]:
    """Return `{"a": {"b": None}}` as `{"a.b": "null"}`; text stays as it is, lists become JSON."""
    values = flat_params(tree)
    return {name: v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for name, v in values}


def connect(location: TrackingLocation) -> "MlflowClient":
    """Return a client of the tracking store and its registry."""
    # The import takes seconds, hence not at the top of the module.
    from mlflow import MlflowClient

    for name in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if location.uri.startswith("sqlite:///"):
        database = Path(location.uri.removeprefix("sqlite:///"))
        # It may be a link to a folder that is not there yet.
        folder = database.parent.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        provide_database(folder / database.name, keep_own_database)
        with _default_artifacts(database.parent):
            return MlflowClient(tracking_uri=location.uri)
    return MlflowClient(tracking_uri=location.uri)


def keep_own_database() -> Path:
    """Return an empty database for this version of MLflow; the first call on a machine takes seconds to make it."""
    return keep_empty_database(
        "mlflow", DATABASE, _MIGRATE, lambda folder: {"MLFLOW_TRACKING_URI": sqlite_url(folder / DATABASE)}
    )


@contextmanager
def _default_artifacts(folder: Path) -> Iterator[None]:
    """Name the place of MLflow's own first experiment, which nobody uses, while a client is made.

    MLflow puts it into SQL as it is, and by default it is below the working folder, whose name may have quotes.
    """
    name = "_MLFLOW_SERVER_ARTIFACT_ROOT"
    is_set = name in os.environ
    os.environ.setdefault(name, str(folder / "artifacts"))
    try:
        yield
    finally:
        if not is_set:
            del os.environ[name]


def find_experiment(client: "MlflowClient", name: str, location: TrackingLocation) -> str:
    """Return the id of the experiment, which is created if it does not exist; raises StoreFailed if it was deleted."""
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name, artifact_location=location.artifact_root))
        except MlflowException:
            # Either another process created it in between, or the next call shows the same failure again.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage != "active":
        raise StoreFailed(
            f"the experiment {name!r} was deleted",
            where=f"MLflow at {location.shown_uri}",
            do="restore it in the MLflow UI, or set tracking.experiment to another name",
        )
    return str(found.experiment_id)


@contextmanager
def failures_mapped(location: TrackingLocation) -> Iterator[None]:
    """Raise StoreFailed, without any password, for every error of MLflow and its database in the body."""
    set_up_mlflow()
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise StoreFailed(
            f"tracking failed: {_first_line(error, location)}",
            where=f"MLflow at {location.shown_uri}",
            do="check MLFLOW_TRACKING_URI and that the server runs or the folder can be written",
        ) from error


def _first_line(error: Exception, location: TrackingLocation) -> str:
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    for secret in (location.uri, urlsplit(location.uri).password):
        text = text.replace(secret, "***") if secret else text
    return text[:300]


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else value[: limit - 1] + "\u2026"
