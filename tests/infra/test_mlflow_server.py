"""MLflow on PostgreSQL with its artifacts in a bucket, as mlflow/server.sh starts it."""

import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lorag.integrations.mlflow.tracking import TrackingLocation, locate_tracking, start_run
from tests import servers

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tracking(
    postgres: Any, bucket: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingLocation]:
    settings = {
        **bucket,
        "MLFLOW_BACKEND_STORE_URI": postgres.environment["MLFLOW_BACKEND_STORE_URI"],
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{servers.BUCKET}/mlflow",
    }
    with servers.mlflow(tmp_path_factory.mktemp("mlflow"), settings) as server:
        yield locate_tracking(Path("/nowhere"), server.environment)


def test_runs_go_to_the_database_and_artifacts_to_the_bucket(
    tracking: TrackingLocation, postgres: Any, bucket: Mapping[str, str], tmp_path: Path
) -> None:
    (tmp_path / "plan.txt").write_text("three added")
    with start_run(tracking, "lorag", "refresh 1", {"lorag.kind": "refresh"}) as run:
        run.log_metrics({"cost.wall_s": 1.5})
        run.log_file(tmp_path / "plan.txt", "pipeline")

    import psycopg

    with psycopg.connect(postgres.url("mlflow")) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key, value FROM metrics WHERE run_uuid = %s", (run.run_id,))
        assert cursor.fetchall() == [("cost.wall_s", 1.5)]
    connection.close()
    found = servers.s3_client(bucket).list_objects_v2(Bucket=servers.BUCKET, Prefix="mlflow/")["Contents"]
    assert [item["Key"].split("/")[-4:] for item in found] == [[run.run_id, "artifacts", "pipeline", "plan.txt"]]
    # The client holds no key of the bucket: the server hands it the file.
    from mlflow import MlflowClient

    path = MlflowClient(tracking_uri=tracking.uri).download_artifacts(run.run_id, "pipeline/plan.txt", str(tmp_path))
    assert Path(path).read_text() == "three added"


def test_a_host_that_is_not_allowed_is_refused(tracking: TrackingLocation) -> None:
    asked = urllib.request.Request(
        f"{tracking.uri}/api/2.0/mlflow/experiments/get-by-name?experiment_name=Default",
        headers={"Host": "evil.example"},
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked, timeout=30)
    assert refused.value.code == 403
    asked.remove_header("Host")
    with urllib.request.urlopen(asked.full_url, timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.parametrize(
    "missing", ["MLFLOW_BACKEND_STORE_URI", "MLFLOW_ARTIFACTS_DESTINATION", "MLFLOW_SERVER_ALLOWED_HOSTS"]
)
def test_nothing_starts_without_database_bucket_and_hosts(missing: str) -> None:
    settings = {
        "MLFLOW_BACKEND_STORE_URI": "postgresql://a:b@127.0.0.1:1/c",
        "MLFLOW_ARTIFACTS_DESTINATION": "s3://d/e",
        "MLFLOW_SERVER_ALLOWED_HOSTS": "localhost",
        "PATH": "/usr/bin:/bin",
    }
    del settings[missing]
    ended = subprocess.run(
        ["bash", servers.ROOT / "mlflow" / "server.sh"], env=settings, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode != 0
    assert missing in ended.stderr and ended.stderr.count("\n") == 1
