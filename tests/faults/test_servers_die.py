"""The store, the MLflow server and the Prefect server, each killed while a refresh is under way."""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests import servers
from tests.faults.conftest import Ended, Place, end, is_locked, wait_until

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(2_400)]


def assert_one_line(ended: Ended, code: str, *words: str) -> None:
    lines = [line for line in ended.err.splitlines() if line.startswith("error[")]
    assert len(lines) == 1 and lines[0].startswith(f"error[{code}]"), ended.err
    assert "Traceback" not in ended.err
    assert all(word in lines[0] for word in words), lines[0]


def assert_a_plain_refresh_converges(place: Place) -> None:
    again = place.call("refresh")
    assert again["content_digest"] == place.wanted_digest()
    assert "winter" in place.lamp()
    assert place.call("doctor")["healthy"] is True
    last = place.call("refresh")
    assert (last["release"], last["published"]) == (again["release"], False)


def before_the_pipeline(place: Place) -> Callable[[], bool]:
    return lambda: is_locked(place)


def behind_the_pipeline(place: Place) -> Callable[[], bool]:
    """The artifacts are new: what comes next is the store's."""
    report, before = place.root / "reports" / "index.json", place.wanted_digest()
    # The stage that writes it first takes the old one away.
    return lambda: report.exists() and report.read_text().endswith("}\n") and place.wanted_digest() != before


@pytest.mark.weaviate
@pytest.mark.parametrize("moment", [before_the_pipeline, behind_the_pipeline])
def test_the_store_is_killed(
    place: Place,
    prefect: Mapping[str, str],
    tmp_path: Path,
    moment: Callable[[Place], Callable[[], bool]],
) -> None:
    start = servers.infra_module("weaviate", "start")
    binary = servers.weaviate_binary()
    server = start.launch(binary, tmp_path / "weaviate", api_key="right")
    try:
        params = place.root / "params.yaml"
        params.write_text(params.read_text().replace("store: lancedb", "store: weaviate", 1))
        place.environment = {**prefect, **server.environment}
        place.call("refresh")
        before = place.served()

        place.write_pages("winter")
        happened = moment(place)
        running = place.begin("refresh")
        wait_until(happened, running)
        server.kill(gently=False)
        assert not start.runs(server)
        ended = end(running)
        assert ended.status == 5, ended.err
        assert_one_line(ended, "E030", "Weaviate", server.environment["WEAVIATE_URL"])
        assert ended.took_s < 600, "it does not try for ever"
        asked = end(place.begin("search", "lamp of pier 7"))
        assert asked.status == 5, "nobody can answer without the store"
        assert_one_line(asked, "E030", "Weaviate")

        server = start.launch(binary, tmp_path / "weaviate", api_key="right", ports=server.ports)
        assert place.served() == before
        assert "summer" in place.lamp(), "half a refresh is not seen"
        assert_a_plain_refresh_converges(place)
    finally:
        server.kill(gently=False)


def test_the_mlflow_server_is_killed(place: Place, prefect: Mapping[str, str], tmp_path: Path) -> None:
    settings = {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "MLFLOW_ARTIFACTS_DESTINATION": str(tmp_path / "artifacts"),
    }
    with servers.mlflow(tmp_path, settings) as server:
        place.environment = {**prefect, **server.environment}
        assert place.call("refresh")["mlflow_run_id"]
        place.write_pages("winter")
        running = place.begin("refresh", "--json")
        wait_until(lambda: is_locked(place), running)
        server.kill()
        ended = end(running)
    assert ended.status == 0, ended.err
    assert (ended.json["published"], ended.json["mlflow_run_id"]) == (True, None)
    said = [line for line in ended.err.splitlines() if "not logged" in line]
    assert len(said) == 1 and server.environment["MLFLOW_TRACKING_URI"] in said[0], ended.err
    assert ended.took_s < 600
    assert place.served() == ended.json["release"]
    assert "winter" in place.lamp()

    with servers.mlflow(tmp_path, settings, urlsplit(server.environment["MLFLOW_TRACKING_URI"]).port):
        again = place.call("refresh")
        assert (again["published"], again["release"]) == (False, ended.json["release"])
        assert again["content_digest"] == place.wanted_digest()
        assert again["mlflow_run_id"], "the release is in MLflow by now"


@pytest.mark.parametrize("moment", [before_the_pipeline, behind_the_pipeline])
def test_the_prefect_server_is_killed(
    place: Place, tmp_path: Path, moment: Callable[[Place], Callable[[], bool]]
) -> None:
    with servers.prefect(tmp_path, {}) as server:
        place.environment = dict(server.environment)
        place.call("refresh")
        before = place.served()
        place.write_pages("winter")
        happened = moment(place)
        running = place.begin("refresh")
        wait_until(happened, running)
        server.kill()
        # What is served does not need Prefect.
        assert "pier 7" in place.lamp()
        ended = end(running)
    assert ended.status == 5, ended.err
    assert_one_line(ended, "E030", "Prefect", server.environment["PREFECT_API_URL"])
    assert ended.took_s < 600
    assert ("summer" in place.lamp()) == (place.served() == before)

    with servers.prefect(tmp_path, {}, urlsplit(server.environment["PREFECT_API_URL"]).port):
        assert_a_plain_refresh_converges(place)
