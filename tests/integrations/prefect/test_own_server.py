"""The server of one command: there for its flow, and gone with it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from lorag.integrations.prefect import own_server

pytestmark = pytest.mark.slow

SCRIPT = """
import os, sys
from lorag.console.terminal import start_prefect
from pathlib import Path
start_prefect(Path(sys.argv[1]), debug=False)
from lorag.integrations.prefect import own_server
from lorag.integrations.prefect.server import server_api
own_server.wait_for_own_server()
from prefect import flow, task, get_client
@task
def add(a, b): return a + b
@flow
def total(): return add(1, 2)
print(total())
with get_client(sync_client=True) as client:
    print([run.state.name for run in client.read_flow_runs()], len(client.read_flows()))
print(server_api(), "prefect.server.api.server" in sys.modules)
print(own_server._started[0].pid, flush=True)
if sys.argv[2:]:
    os.kill(os.getpid(), 9)
"""


def run(state: Path, *options: str) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT", "LORAG_OWN"))}
    command = [sys.executable, "-c", SCRIPT, str(state), *options]
    done = subprocess.run(command, cwd=state, env=environment, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stderr
    return lines


def test_a_flow_runs_on_it_and_nothing_outlives_the_command(tmp_path: Path) -> None:
    first = run(tmp_path)
    assert first[:3] == ["3", "['Completed'] 1", "None False"]
    assert not psutil.pid_exists(int(first[3]))
    killed = run(tmp_path, "killed")
    assert killed[1] == "['Completed', 'Completed'] 1", "the database stays"
    try:
        psutil.Process(int(killed[3])).wait(20)
    except psutil.NoSuchProcess:
        pass


@pytest.mark.parametrize(
    ("name", "text", "is_named"),
    [
        ("prefect.toml", '[api]\nurl = "http://elsewhere/api"\n', True),
        (".env", "PREFECT_API_URL=http://elsewhere/api\n", True),
        ("pyproject.toml", '[tool.prefect.api]\nurl = "http://elsewhere/api"\n', True),
        ("pyproject.toml", '[project]\ndependencies = ["prefect"]\n', False),
        ("home/profiles.toml", '[profiles.cloud]\nPREFECT_API_URL = "http://elsewhere/api"\n', True),
    ],
)
def test_none_is_started_beside_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, is_named: bool
) -> None:
    monkeypatch.delitem(sys.modules, "prefect", raising=False)
    environment = {"PREFECT_HOME": str(tmp_path / "home")}
    assert not own_server._is_named(environment, tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / name).write_text(text)
    assert own_server._is_named(environment, tmp_path) is is_named
    assert own_server._is_named({**environment, "PREFECT_API_URL": "http://here/api"}, tmp_path)
