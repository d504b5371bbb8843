"""The start and stop of the processes that a workspace needs to run unattended on one machine."""

import json
import sys
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from lorag.costs.due import describe_rule
from lorag.errors import StoreFailed
from lorag.integrations.machine.background_process import Background, BackgroundShelf
from lorag.integrations.machine.local_http import answers, is_free
from lorag.integrations.shown_address import shown_address
from lorag.params import Params
from lorag.releases.durable import write_json_durably
from lorag.use_cases.operate.deploy_flows import deploy_flows
from lorag.use_cases.operate.operate_servers import (
    Server,
    background_shelf,
    child_environment,
    mlflow_server,
    prefect_server,
)
from lorag.workspace import Workspace

START_S = 300
"""The time limit for a start: a busy machine takes a minute to start the server."""
KEEPER = "keep"
OWN = ("worker", "watch", "serve", KEEPER)
STOP_ORDER = (KEEPER, "serve", "watch", "worker", "mlflow", "prefect")
SERVICES = tuple(reversed(STOP_ORDER))
_COMMANDS = {KEEPER: ("up", "--stay")}


@dataclass(frozen=True, slots=True)
class Service:
    """A background process, or an address elsewhere, which has no pid; `started` is False if it already ran."""

    name: str
    address: str | None
    pid: int | None
    log: str | None
    started: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """The services that now run, the deployments that the server knows, and what they start by themselves."""

    services: tuple[Service, ...]
    deployments: tuple[str, ...]
    follows: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag up --json` prints."""
        names = ("address", "pid", "log", "started")
        services = {one.name: {name: getattr(one, name) for name in names} for one in self.services}
        return {"services": services, "deployments": list(self.deployments), "follows": list(self.follows)}


def start_all(
    workspace: Workspace, params: Params, environment: Mapping[str, str], *, only: Collection[str] = SERVICES
) -> Operation:
    """Start server, MLflow UI, deployments, worker, watcher and service; each is ready before the next needs it.

    What already runs is left running. If `PREFECT_API_URL` or `MLFLOW_TRACKING_URI` name a server elsewhere, none is
    started in its place. If a process does not start, raises StoreFailed with the end of its log, and stops what this
    call has started. `only` names the services that are started if they do not run.
    """
    shelf = background_shelf(workspace)
    started: list[str] = []
    try:
        return _start_all(workspace, params, environment, shelf, only, started)
    except BaseException:
        for name in STOP_ORDER:
            if name in started:
                shelf.stop(name)
        raise


def _start_all(
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    shelf: BackgroundShelf,
    only: Collection[str],
    started: list[str],
) -> Operation:
    """Start what `start_all` says, and add the name of each process to `started` before it is waited for."""

    def noted(service: Service) -> Service:
        if service.started:
            started.append(service.name)
        return service

    servers = prefect_server(workspace, environment), mlflow_server(workspace, environment)
    for name in SERVICES:
        shelf.end_leftovers(name)
    for server in servers:
        _refuse_taken_port(server, shelf, environment)
    prefect, mlflow = [noted(_start_server(server, shelf, workspace, environment)) for server in servers]
    _wait(prefect, lambda: answers(f"{prefect.address}{servers[0].health}"), shelf)
    inherited = child_environment(workspace, environment, f"{prefect.address}/api")
    deployed = deploy_flows(workspace, params, inherited)
    # The keeper starts servers itself, so it gets the environment as it was.
    given = {name: environment if name == KEEPER else inherited for name in OWN}
    wanted = [name for name in OWN if name in only or shelf.find(name)]
    own = [noted(_start_own(name, shelf, workspace, given[name])) for name in wanted]
    for service in own:
        _wait(service, partial(is_ready, workspace, service.name), shelf)
    own = [replace(service, address=_address_of(service, workspace)) for service in own]
    _wait(mlflow, lambda: answers(f"{mlflow.address}{servers[1].health}"), shelf)
    return Operation((prefect, mlflow, *own), tuple(deployed.schedules), what_follows(params))


def what_follows(params: Params) -> tuple[str, ...]:
    """Return a sentence for each flow that starts without being asked for, with the setting that decides."""
    said = ["A change of the documents or the questions starts a refresh."]
    for kind in params.tuning.adapters:
        rule = describe_rule(kind, params.policy)
        said.append(f"A refresh or the schedule starts a retrain by the policy: {kind} is {rule} (policy.retrain).")
    if params.schedules.compare_after:
        names = " or a ".join(params.schedules.compare_after)
        said.append(
            f"A new release by a {names} starts a comparison, if there are questions (schedules.compare_after)."
        )
    return tuple(said)


def stop_all(workspace: Workspace) -> list[str]:
    """Stop all processes and return their names: a run in progress is ended, and the served release stays."""
    shelf = background_shelf(workspace)
    return [name for name in STOP_ORDER if shelf.stop(name)]


def mlflow_address(workspace: Workspace, environment: Mapping[str, str]) -> str | None:
    """Return where a browser shows the runs: the tracking server, or the UI that `lorag up` started."""
    uri = environment.get("MLFLOW_TRACKING_URI", "").strip()
    if uri:
        return uri.rstrip("/") if uri.startswith("http") and "@" not in uri else None
    found = background_shelf(workspace).find("mlflow")
    return found.address if found else None


def say_ready(workspace: Workspace, name: str, pid: int) -> None:
    """Record that a background process has begun its work; the process itself calls this."""
    write_json_durably(workspace.state / "run" / f"{name}.ready", {"pid": pid})


def is_ready(workspace: Workspace, name: str) -> bool:
    """Return whether the running process of that name has begun its work."""
    found = background_shelf(workspace).find(name)
    with suppress(OSError, ValueError):
        ready = json.loads((workspace.state / "run" / f"{name}.ready").read_text(encoding="utf-8"))
        return found is not None and ready["pid"] == found.pid
    return False


def _refuse_taken_port(server: Server, shelf: BackgroundShelf, environment: Mapping[str, str]) -> None:
    """Raise StoreFailed if the server would have to be started on a port where something listens."""
    if not environment.get(server.elsewhere) and not shelf.find(server.name) and not is_free(server.port):
        raise StoreFailed(
            f"port {server.port} is taken",
            where=server.name,
            do=f"set {server.port_variable} to another, or stop what listens there",
        )


def say_looked(workspace: Workspace) -> None:
    """Record that the watcher has looked at the source just now."""
    with suppress(OSError):
        (workspace.state / "run" / _LOOKED).touch()


def last_look_s(workspace: Workspace) -> float | None:
    """Return how many seconds ago the watcher looked at the source; None if it never did."""
    with suppress(OSError):
        return round(max(0.0, time.time() - (workspace.state / "run" / _LOOKED).stat().st_mtime), 1)
    return None


_LOOKED = "watch.looked"


def _start_server(
    server: Server, shelf: BackgroundShelf, workspace: Workspace, environment: Mapping[str, str]
) -> Service:
    if elsewhere := environment.get(server.elsewhere):
        return Service(server.name, shown_address(elsewhere).removesuffix("/api"), None, None, started=False)
    if found := shelf.find(server.name):
        return _service(found, shelf, started=False)
    server.folder.mkdir(parents=True, exist_ok=True)
    server.provide()
    settings = {**child_environment(workspace, environment, f"{server.address}/api"), **server.settings}
    started = shelf.start(server.name, server.command, settings, server.folder, server.address)
    return _service(started, shelf, started=True)


def _start_own(name: str, shelf: BackgroundShelf, workspace: Workspace, environment: Mapping[str, str]) -> Service:
    if found := shelf.find(name):
        return _service(found, shelf, started=False)
    # Not `-m lorag.cli`: the worker's child processes would import that again.
    command = [sys.executable, "-P", "-c", "from lorag.cli import main; main()", "--workspace", str(workspace.root)]
    command += _COMMANDS.get(name, (name,))
    return _service(shelf.start(name, command, environment, workspace.root), shelf, started=True)


def _address_of(service: Service, workspace: Workspace) -> str | None:
    """Return the address of the service that answers, which chooses its port itself; None for the others."""
    if service.name == "serve":
        with suppress(OSError, ValueError, KeyError, TypeError):
            return f"{json.loads(workspace.service_file.read_text(encoding='utf-8'))['address']}/"
    return service.address


def _service(found: Background, shelf: BackgroundShelf, *, started: bool) -> Service:
    return Service(found.name, found.address, found.pid, str(shelf.log_file(found.name)), started)


def _wait(service: Service, is_well: Callable[[], bool], shelf: BackgroundShelf) -> None:
    """Wait until the service is ready; one elsewhere is not checked."""
    end = time.monotonic() + START_S
    while service.pid is not None and not is_well():
        if shelf.find(service.name) is None:
            raise shelf.failed(service.name)
        if time.monotonic() > end:
            raise StoreFailed(
                f"{service.name} did not begin its work in {START_S} s", where=str(service.log), do="read its log"
            )
        time.sleep(0.3)
