import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

from lorag.errors import StoreFailed
from lorag.integrations.mlflow.tracking import TrackingLocation, flatten, locate_tracking, start_run


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory) -> TrackingLocation:
    """One database for all tests: making it takes seconds."""
    return locate_tracking(tmp_path_factory.mktemp("state"), {})


@pytest.fixture
def client(location: TrackingLocation) -> Iterator[Any]:
    from mlflow import MlflowClient

    yield MlflowClient(tracking_uri=location.uri)


def test_default_location_is_absolute_and_in_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    location = locate_tracking(Path("state"), {"MLFLOW_TRACKING_URI": " "})

    assert location.uri == f"sqlite:///{tmp_path}/state/mlflow/mlflow.db"
    assert location.artifact_root == f"file://{tmp_path}/state/mlflow/artifacts"


def test_environment_names_another_server() -> None:
    location = locate_tracking(Path("/state"), {"MLFLOW_TRACKING_URI": "https://me:pw@tracking.example/x"})

    assert location == TrackingLocation("https://me:pw@tracking.example/x", None)
    assert location.shown_uri == "https://tracking.example/x"


def test_a_run_holds_all_that_was_logged(location: TrackingLocation, client: Any, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    figure = Figure(figsize=(1, 1))
    params = {f"section{row}": {f"key{column}": column for column in range(12)} for row in range(12)}

    with start_run(location, "lorag", "refresh 1", {"strategy": "rag"}) as run:
        run.log_params(params)
        run.log_metrics({f"cost.m{number}": number for number in range(30)})
        run.set_tags({"release": "r1"})
        run.log_file(tmp_path / "b.txt", "reports")
        run.log_folder(tmp_path / "folder", "folder")
        run.log_json({"name": "Zoë"}, "release.json")
        run.log_figure(figure, "plots/plan.png")
        run.log_table({"retriever": ["dense", "bm25"], "recall": (0.5, 0.6)}, "retrieval.json")

    found = client.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "refresh 1"
    assert len(found.data.params) == 144
    assert found.data.params["section11.key3"] == "3"
    assert found.data.metrics["cost.m29"] == 29
    assert {"strategy": "rag", "release": "r1"}.items() <= found.data.tags.items()
    paths = {
        item.path
        for folder in (None, "reports", "folder", "plots")
        for item in client.list_artifacts(run.run_id, folder)
    }
    assert {"reports/b.txt", "folder/a.txt", "release.json", "plots/plan.png", "retrieval.json"} <= paths
    assert json.loads(Path(client.download_artifacts(run.run_id, "release.json")).read_text())["name"] == "Zoë"
    assert location.artifact_root is not None
    assert found.info.artifact_uri.startswith(location.artifact_root)


def test_nothing_is_written_where_the_command_runs(
    location: TrackingLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with start_run(location, "lorag", "elsewhere", {}) as run:
        run.log_metrics({"x": 1.0})

    assert list(tmp_path.iterdir()) == []


def test_telemetry_is_off_before_the_library_is_imported(location: TrackingLocation, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from lorag.integrations.mlflow.tracking import TrackingLocation, start_run\n"
        "assert 'mlflow' not in sys.modules, 'importing the adapter must stay quick'\n"
        f"with start_run(TrackingLocation({location.uri!r}, {location.artifact_root!r}), 'lorag', 'quiet', {{}}):\n"
        "    pass\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "assert is_telemetry_disabled()\n"
    )
    # In a test or a CI run the library keeps quiet by itself.
    environ = {name: value for name, value in os.environ.items() if not re.match("MLFLOW_|PYTEST_|CI$|GITHUB_", name)}
    environ |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environ, cwd=tmp_path)

    assert not list(tmp_path.rglob("telemetry.json")), "the library noted an id of this installation"


def test_a_run_whose_body_fails_is_marked_failed(location: TrackingLocation, client: Any) -> None:
    with pytest.raises(KeyError), start_run(location, "lorag", "broken", {}) as run:
        raise KeyError

    assert client.get_run(run.run_id).info.status == "FAILED"


def test_values_beyond_the_limits_are_cut_not_refused(location: TrackingLocation, client: Any) -> None:
    with start_run(location, "lorag", "long", {"note": "n" * 9_000}) as run:
        run.log_params({"long": "p" * 7_000})

    data = client.get_run(run.run_id).data
    assert data.params["long"] == "p" * 5_999 + "…"
    assert len(data.tags["note"]) == 8_000


def test_strangers_9_a_run_says_what_it_is_and_in_which_units(location: TrackingLocation, client: Any) -> None:
    with start_run(location, "lorag", "r", {"lorag.kind": "refresh"}) as run:
        # A number that is none is logged, also for the second time.
        run.log_metrics({"loss": float("nan")})
        run.log_metrics({"loss": float("nan"), "cost.wh": 0.02})
    note = client.get_run(run.run_id).data.tags["mlflow.note.content"]
    assert "A refresh of the index" in note and "`cost.wh` watt-hours" in note


def test_settings_become_flat_names() -> None:
    tree = {"a": {"b": None, "c": [1, 2]}, "d": "text", "e": {"f": {"g": True}}, "h": 0.5}

    assert flatten(tree) == {"a.b": "null", "a.c": "[1, 2]", "d": "text", "e.f.g": "true", "h": "0.5"}


def test_a_deleted_experiment_is_told(location: TrackingLocation, client: Any) -> None:
    with start_run(location, "old", "x", {}):
        pass
    client.delete_experiment(client.get_experiment_by_name("old").experiment_id)

    with pytest.raises(StoreFailed, match="'old' was deleted"), start_run(location, "old", "x", {}):
        pass


def test_a_server_that_is_down_is_told_soon_and_without_the_password() -> None:
    location = TrackingLocation("http://me:hunter22@127.0.0.1:9", None)
    start = time.monotonic()
    with pytest.raises(StoreFailed) as caught, start_run(location, "lorag", "x", {}):
        pass

    assert "127.0.0.1:9" in caught.value.line()
    assert "hunter22" not in caught.value.line()
    assert time.monotonic() - start < 30


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with (
        pytest.raises(StoreFailed, match="tracking failed"),
        start_run(locate_tracking(tmp_path / "state", {}), "l", "x", {}),
    ):
        pass


def test_a_damaged_database_is_told(tmp_path: Path) -> None:
    location = locate_tracking(tmp_path, {})
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(StoreFailed), start_run(location, "lorag", "x", {}):
        pass


def test_a_run_that_cannot_be_written_any_more_is_told(location: TrackingLocation) -> None:
    database = location.uri.removeprefix("sqlite:///")
    with pytest.raises(StoreFailed), start_run(location, "lorag", "lost", {}) as run:
        with sqlite3.connect(database) as connection:
            connection.execute("DELETE FROM tags WHERE run_uuid = ?", (run.run_id,))
            connection.execute("DELETE FROM runs WHERE run_uuid = ?", (run.run_id,))
        run.log_metrics({"x": 1.0})
