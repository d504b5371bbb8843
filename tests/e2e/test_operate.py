"""The commands of docs/operate.md, on a real Prefect server: refreshes come by themselves, and answers change."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.machine import Machine, machine_at, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]

ROOT = Path(__file__).parents[2]
TUGS = "# Tugs\n\nThe tugboat Marigold Anne lies at berth 9 between the fuel barge and the old slipway.\n"
ARTIFACTS = ("plan", "gate", "costs", "mlflow-run", "report")
SECRET = "token-that-nobody-may-see"


def commands_of_the_page() -> list[str]:
    blocks = re.findall(r"```console\n(.*?)```", (ROOT / "docs" / "operate.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture(scope="module")
def notices() -> Iterator[tuple[str, list[str]]]:
    """An Apprise address, and what was sent to it."""
    received: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/{SECRET}", received
    server.shutdown()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, notices: tuple[str, list[str]]) -> Iterator[Machine]:
    home = tmp_path_factory.mktemp("home")
    (home / "docs").mkdir()
    (home / "docs" / "tugs.md").write_text(TUGS)
    with machine_at(home, {"LORAG_NOTIFY_URL": notices[0]}, 14_200) as machine:
        yield machine


def test_a_newcomer_needs_fewer_than_ten_commands() -> None:
    commands = commands_of_the_page()
    assert commands[:2] == ["make setup", "source .venv/bin/activate"], "what the other tests stand on"
    assert len(commands) < 10


def test_the_page_from_the_first_command_to_the_last(machine: Machine, notices: tuple[str, list[str]]) -> None:
    commands = iter(commands_of_the_page()[2:])

    assert "handbook" in machine.run(next(commands))
    params = machine.workspace / "params.yaml"
    params.write_text(params.read_text().replace('refresh: "0 * * * *"', "refresh: 60"))
    assert next(commands) == "cd ~/handbook"
    began = time.monotonic()
    machine.run(next(commands))
    print(f"up: {time.monotonic() - began:.1f} s")

    waited = wait_until(machine.served, "the first refresh")
    print(f"first refresh, that nobody asked for: {waited:.1f} s after up")
    scheduled = wait_until(
        lambda: any(run["auto_scheduled"] and run["start_time"] for run in _refreshes(machine)),
        "a scheduled run",
    )
    print(f"scheduled run: {scheduled:.1f} s later")

    before = machine.served()
    edited = time.monotonic()
    machine.run(next(commands))
    wait_until(lambda: machine.served() != before, "the refresh after the edit")
    released = time.monotonic() - edited
    answer = machine.run(next(commands))
    print(f"from the edit to the release: {released:.1f} s, to the answer: {time.monotonic() - edited:.1f} s")
    assert "8.40" in answer

    _the_run_shows_what_it_did(machine)
    _a_failure_is_told(machine, notices[1])
    assert "prefect" in machine.run(next(commands))
    assert machine.run("lorag down") == "Nothing ran.\n"
    assert "8.40" in machine.run('lorag search "How deep is berth 4?"'), "answers need none of it"


@pytest.mark.full
def test_what_runs_is_left_alone_and_what_dies_is_started_again(machine: Machine) -> None:
    machine.run("lorag up")
    _up_again_changes_nothing(machine)
    _what_dies_is_started_again(machine)
    machine.run("lorag down")


def _refreshes(machine: Machine) -> list[dict[str, Any]]:
    return machine.completed("refresh_index")


def _the_run_shows_what_it_did(machine: Machine) -> None:
    release = machine.served()

    def told() -> bool:
        return any(f"release:{release}" in run["tags"] for run in _refreshes(machine))

    wait_until(told, "the end of the run")
    run = next(run for run in _refreshes(machine) if f"release:{release}" in run["tags"] and not run["auto_scheduled"])
    names = {tag.partition(":")[0] for tag in run["tags"]}
    assert {"release", "mlflow", "git", "dvc"} <= names
    artifacts = machine.api("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert {one["key"] for one in artifacts} >= {f"refresh-{name}" for name in ARTIFACTS}


def _up_again_changes_nothing(machine: Machine) -> None:
    found = machine.json("lorag up")
    assert not any(service["started"] for service in found["services"].values())
    assert "refresh_index/handbook" in found["deployments"]


def _what_dies_is_started_again(machine: Machine) -> None:
    """Faults 14: the watcher, the UI, whose server survives a kill of its parent, and the one that starts them."""
    before = machine.json("lorag status")["services"]
    assert set(before) == {"prefect", "mlflow", "worker", "watch", "serve", "keep"}
    assert all(state["running"] for state in before.values()) and before["watch"]["last_look_s"] < 60
    for name in ("watch", "mlflow"):
        os.kill(before[name]["pid"], signal.SIGKILL)

    def started_again() -> bool:
        services = machine.json("lorag status")["services"]
        return all(services[name]["running"] and services[name]["started_again"] for name in ("watch", "mlflow"))

    print(f"started again: {wait_until(started_again, 'the watcher and the UI'):.1f} s after the kill")
    assert "looked at the source" in machine.run("lorag doctor")
    os.kill(before["keep"]["pid"], signal.SIGKILL)
    assert "Service keep has ended" in machine.run("lorag status")
    assert machine.json("lorag up")["services"]["keep"]["started"]


def _a_failure_is_told(machine: Machine, received: list[str]) -> None:
    before = machine.served()
    (machine.home / "docs").rename(machine.home / "away")
    page = (ROOT / "docs" / "operate.md").read_text(encoding="utf-8")
    command = next(line for line in page.splitlines() if "prefect event emit" in line)
    machine.run(command.replace("4200", machine.environment["LORAG_PREFECT_PORT"]))
    waited = wait_until(lambda: any("no such source" in text for text in received), "the notice of a failure")
    print(f"notice: {waited:.1f} s after the event")
    assert machine.served() == before
    (machine.home / "away").rename(machine.home / "docs")
    for log in (machine.workspace / ".lorag" / "run").glob("*.log"):
        assert SECRET not in log.read_text(errors="replace"), log.name
