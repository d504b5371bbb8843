"""Refresh, retrain and compare on the back ends of a team: PostgreSQL, a bucket, Weaviate and a Prefect server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from prefect.events.worker import EventsWorker
from prefect.settings import PREFECT_API_URL, temporary_settings

from lorag.integrations.stores import open_store
from lorag.params_file import load_params
from lorag.releases.shelf import ReleaseShelf
from tests import servers
from tests.e2e.conftest import Cli
from tests.e2e.test_retrain import call, edit, shrink, write_knowledge
from tests.tiny import make_tiny_model

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.weaviate, pytest.mark.timeout(2_400)]


@pytest.fixture
def backends(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """What lorag is told of them; `database` is for the test."""
    start = servers.infra_module("weaviate", "start")
    binary = servers.weaviate_binary()
    with ExitStack() as stack:
        postgres = stack.enter_context(servers.postgres())
        bucket = stack.enter_context(servers.s3(tmp_path))
        settings = {
            **bucket.environment,
            "MLFLOW_BACKEND_STORE_URI": postgres.environment["MLFLOW_BACKEND_STORE_URI"],
            "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{servers.BUCKET}/mlflow",
        }
        mlflow = stack.enter_context(servers.mlflow(tmp_path, settings))
        database = {name: postgres.environment[name] for name in ("PREFECT_API_DATABASE_CONNECTION_URL",)}
        prefect = stack.enter_context(servers.prefect(tmp_path, database))
        weaviate = start.launch(binary, tmp_path / "weaviate", api_key="right")
        stack.callback(weaviate.kill, gently=False)
        yield {
            **bucket.environment,
            **mlflow.environment,
            **prefect.environment,
            **weaviate.environment,
            "database": postgres.url("prefect"),
        }


@pytest.fixture
def workspace(tmp_path: Path, cli: Cli, backends: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    for name in ("MLFLOW_TRACKING_URI", "WEAVIATE_URL", "WEAVIATE_GRPC_PORT", "WEAVIATE_API_KEY"):
        monkeypatch.setenv(name, backends[name])
    write_knowledge(tmp_path, {})
    made = cli("init", tmp_path / "w", "--source", tmp_path / "docs", "--questions", tmp_path / "questions.jsonl")
    assert made.status == 0, made.err
    shrink(tmp_path / "w", make_tiny_model(tmp_path / "model"))
    edit(tmp_path / "w", "latency_questions: 12", "latency_questions: 2")
    edit(tmp_path / "w", "bootstrap_samples: 1000", "bootstrap_samples: 100")
    edit(tmp_path / "w", "store: lancedb", "store: weaviate")
    with temporary_settings({PREFECT_API_URL: backends["PREFECT_API_URL"]}):
        yield tmp_path / "w"
        # What is not sent while the server runs is tried for seconds an event, until this process ends.
        EventsWorker.drain_all()


def test_refresh_retrain_and_compare(workspace: Path, backends: Mapping[str, str], cli: Cli, tmp_path: Path) -> None:
    first = call(cli, workspace, "refresh")
    trained = call(cli, workspace, "retrain")
    compared = call(cli, workspace, "compare")
    assert set(compared["strategies"]) == {"base", "rag", "tuned"}
    write_knowledge(tmp_path, {4: "21:45"})
    second = call(cli, workspace, "refresh")
    assert second["published"] and second["plan"]["changed"] == 1
    assert "21:45" in call(cli, workspace, "search", "lamp of pier 4", "-k", "1")["hits"][0]["text"]
    assert "9:30" in call(cli, workspace, "search", "lamp of pier 4", "--as-of", "1", "-k", "1")["hits"][0]["text"]
    again = call(cli, workspace, "compare")
    assert again["notes"] == {"tuned": "1 document changed or went since its adapter was trained"}
    assert call(cli, workspace, "doctor")["healthy"] is True

    # The digest of the artifacts, in which no store had a part.
    wanted = json.loads((workspace / "reports" / "index.json").read_text())["content_digest"]
    assert second["content_digest"] == wanted != first["content_digest"]
    assert_the_index_is_in_weaviate(workspace, backends)
    runs = [first["mlflow_run_id"], trained["adapters"]["tuned"]["mlflow_run_id"], compared["mlflow_run_id"]]
    flows = assert_runs_are_on_the_servers(runs, backends)
    assert_flows_are_in_postgres(flows, backends["database"])


def assert_the_index_is_in_weaviate(workspace: Path, backends: Mapping[str, str]) -> None:
    release = ReleaseShelf(workspace / ".lorag").served()
    assert release is not None and release.index.store == "weaviate"
    store = open_store(load_params(workspace / "params.yaml").index, workspace / ".lorag", backends)
    assert store.count(release.index) == release.n_chunks
    store.close()
    assert not (workspace / ".lorag" / "lancedb").exists()


def assert_runs_are_on_the_servers(runs: list[str], backends: Mapping[str, str]) -> dict[str, str]:
    """By kind of run the flow that it names."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=backends["MLFLOW_TRACKING_URI"])
    found = [client.get_run(run) for run in runs]
    assert {run.info.status for run in found} == {"FINISHED"}
    listed = servers.s3_client(backends).list_objects_v2(Bucket=servers.BUCKET, Prefix="mlflow/")["Contents"]
    for run in runs:
        assert any(f"/{run}/artifacts/" in item["Key"] for item in listed), "its artifacts are in the bucket"
    champion = client.get_model_version_by_alias("lorag-tuned", "champion")
    assert any(item["Key"].endswith("adapter_model.safetensors") for item in listed), champion
    flows: dict[str, str] = {run.data.tags["lorag.kind"]: run.data.tags["prefect.flow_run_id"] for run in found}
    return flows


def assert_flows_are_in_postgres(flows: Mapping[str, str], database: str) -> None:
    import psycopg

    connection: Any = psycopg.connect(database)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT flow_run.id, flow.name, state_type FROM flow_run JOIN flow ON flow.id = flow_id")
        found = {str(run): (name, state) for run, name, state in cursor.fetchall()}
    connection.close()
    assert [state for _, state in found.values()] == ["COMPLETED"] * 5
    assert {kind: found[run][0] for kind, run in flows.items()} == {
        "refresh": "refresh_index",
        "retrain": "retrain_adapter",
        "comparison": "compare_strategies",
    }
