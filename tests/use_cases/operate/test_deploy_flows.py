"""prefect.yaml, filled in with what params say."""

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import prefect
import pytest

from lorag.errors import ParamsError, StoreFailed, WorkspaceError
from lorag.integrations.shown_address import shown_address
from lorag.params_file import load_params
from lorag.use_cases.operate.deploy_flows import deploy_flows, fill_in, read_prefect_file, schedule_of
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[3]
PARAMS = load_params(ROOT / "params.yaml").schedules


def test_each_deployment_has_the_schedule_of_params() -> None:
    params = PARAMS.model_copy(
        update={"refresh": 20, "retrain": "0 3 * * 0", "compare": None, "timezone": "Europe/Berlin"}
    )
    tree = fill_in(read_prefect_file(ROOT), params)
    found = {one["entrypoint"].rsplit(".", 1)[-1]: one["schedules"] for one in tree["deployments"]}
    assert found["refresh_index"] == [{"interval": 20, "timezone": "Europe/Berlin"}]
    assert found["retrain_adapter"] == [{"cron": "0 3 * * 0", "timezone": "Europe/Berlin"}]
    assert found["compare_strategies"] == []
    assert set(found) == {"refresh_index", "retrain_adapter", "compare_strategies", "clean_up"}


def test_the_event_and_the_schedule_retrain_what_is_due_alone() -> None:
    tree = fill_in(read_prefect_file(ROOT), PARAMS)
    by_name = {one["entrypoint"].rsplit(".", 1)[-1]: one for one in tree["deployments"]}
    retrain = by_name["retrain_adapter"]
    (trigger,) = retrain["triggers"]
    assert retrain["parameters"]["only_due"] is True, "also where the prefect.yaml is of an earlier version"
    assert trigger["parameters"] == retrain["parameters"]
    assert "only_due" not in by_name["refresh_index"]["parameters"]


def test_a_schedule_of_its_own_stays() -> None:
    tree = read_prefect_file(ROOT)
    tree["deployments"][0]["schedules"] = [{"cron": "5 5 * * *"}]
    assert fill_in(tree, PARAMS)["deployments"][0]["schedules"] == [{"cron": "5 5 * * *"}]


@pytest.mark.parametrize(("after", "enabled"), [(("refresh", "retrain"), True), (("retrain",), True), ((), False)])
def test_only_the_named_releases_are_compared(after: tuple[str, ...], enabled: bool) -> None:
    tree = fill_in(read_prefect_file(ROOT), PARAMS.model_copy(update={"compare_after": after}))
    compare = next(one for one in tree["deployments"] if "compare" in one["entrypoint"])
    assert compare["triggers"][0]["match"]["lorag.by"] == list(after)
    assert compare["triggers"][0]["enabled"] is enabled


def test_a_workspace_without_the_file_has_the_one_of_lorag(tmp_path: Path) -> None:
    assert read_prefect_file(tmp_path) == read_prefect_file(ROOT)


@pytest.mark.parametrize("text", ["deployments: 1\n", "a: [\n", "deployments:\n  - name: x\n", ""])
def test_what_is_no_prefect_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "prefect.yaml").write_text(text)
    with pytest.raises(ParamsError):
        read_prefect_file(tmp_path)


@contextmanager
def server(answer: Callable[[str], tuple[int, str]]) -> Iterator[str]:
    """The address of a server that gives a status and a text for each path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, text = answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/api"
        http.shutdown()


def deploy(api: str, root: Path) -> None:
    (root / "params.yaml").touch()
    deploy_flows(Workspace(root), load_params(ROOT / "params.yaml"), {**os.environ, "PREFECT_API_URL": api})


@pytest.mark.parametrize("api", ["http://127.0.0.1:1/api", "127.0.0.1:4200/api", "http://[/api", "handbook"])
def test_an_address_where_no_server_is_is_one_line(api: str, tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="Prefect failed") as caught:
        deploy(api, tmp_path)
    assert caught.value.where == shown_address(api) and "lorag up" in caught.value.do


@pytest.mark.parametrize("answered", [(200, "<html>"), (200, "{}"), (404, "no"), (403, "no")])
def test_another_server_than_prefects_is_one_line(answered: tuple[int, str], tmp_path: Path) -> None:
    with server(lambda path: answered) as api, pytest.raises(StoreFailed, match="Prefect failed"):
        deploy(api, tmp_path)


def test_a_name_that_another_workspace_has_on_the_server_is_refused(tmp_path: Path) -> None:
    theirs, own = tmp_path / "a" / "handbook", tmp_path / "b" / "handbook"
    for root in (theirs, own):
        root.mkdir(parents=True)
    (theirs / "params.yaml").touch()
    one = {
        "id": str(uuid4()),
        "name": "handbook",
        "flow_id": str(uuid4()),
        "parameters": {"workspace_root": str(theirs)},
    }

    def answer(path: str) -> tuple[int, str]:
        return 200, json.dumps(prefect.__version__ if path.endswith("version") else one)

    with server(answer) as api:
        with pytest.raises(WorkspaceError, match=f"the deployment refresh_index/handbook belongs to .*{theirs}"):
            deploy(api, own)
        # A workspace that is not there any more was moved: its deployments are taken over.
        (theirs / "params.yaml").unlink()
        with pytest.raises(StoreFailed):
            deploy(api, own)


def test_an_unknown_flow_has_no_schedule() -> None:
    assert schedule_of({"entrypoint": "flows/own.py:own"}, PARAMS) is None
