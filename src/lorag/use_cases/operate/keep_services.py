"""What `lorag up` started, as it is now, and the process that starts again what ended by itself."""

import json
import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from lorag.counted import counted
from lorag.errors import LoragError
from lorag.params import Params
from lorag.releases.checks import Check
from lorag.releases.durable import write_json_durably
from lorag.use_cases.operate.operate import SERVICES, last_look_s, start_all
from lorag.use_cases.operate.operate_servers import background_shelf
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

LOOK_S = 5.0
"""The pause between two looks at the services."""

MOST_STARTS = 5
WITHIN_S = 3_600.0
"""A service that ended by itself more often than that within this time is left alone."""


@dataclass(frozen=True, slots=True)
class ServiceState:
    """A service that `lorag up` started and nobody stopped.

    `started_again` counts how often it ended by itself and was started again. `last_look_s` is how many seconds ago the
    watcher looked at the source; None for other services.
    """

    running: bool
    pid: int | None
    started_again: int = 0
    last_look_s: float | None = None


def find_services(workspace: Workspace) -> dict[str, ServiceState]:
    """Return the state of each service by name; empty if `lorag up` did not run, or all was stopped."""
    shelf, counts = background_shelf(workspace), _read_counts(workspace)
    found = {}
    for name in SERVICES:
        if shelf.is_recorded(name):
            process = shelf.find(name)
            look_s = last_look_s(workspace) if name == "watch" and process else None
            found[name] = ServiceState(
                process is not None, process.pid if process else None, counts.get(name, 0), look_s
            )
    return found


def check_services(workspace: Workspace) -> list[Check]:
    """Return a check for each service that `lorag up` started and nobody stopped."""
    checks = []
    for name, state in find_services(workspace).items():
        problem = None if state.running else "it has ended; `lorag up` starts it again, and its log says why"
        looked = "" if state.last_look_s is None else f", looked at the source {state.last_look_s:.0f} s ago"
        again = f", started again {counted(state.started_again, 'time')}" if state.started_again else ""
        checks.append(Check(f"service {name}", problem, f"runs{looked}{again}", is_damage=False))
    return checks


def services_to_json(services: Mapping[str, ServiceState]) -> dict[str, Any]:
    """Return plain values."""
    return {name: asdict(state) for name, state in services.items()}


def keep_services(
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
    ready: Callable[[], None],
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Look at the services until this process ends, and start again each that ended by itself.

    One that ended too often is left alone, which is said once. What a person stopped has no record, and stays stopped.
    """
    ready()
    ends: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_STARTS + 1))
    given_up: set[str] = set()
    while True:
        pause(LOOK_S)
        ended = _ended(workspace, pause) - given_up
        for name in sorted(ended):
            ends[name].append(time.monotonic())
            if len(ends[name]) > MOST_STARTS and ends[name][-1] - ends[name][0] < WITHIN_S:
                given_up.add(name)
                logger.error("%s has ended %d times and is not started again; read its log", name, len(ends[name]))
        if ended - given_up:
            _start_again(ended - given_up, workspace, params, environment)


def _ended(workspace: Workspace, pause: Callable[[float], None]) -> set[str]:
    """Return the names of the services that ended by themselves."""
    if not (found := _without_process(workspace)):
        return set()
    # One that is being stopped has a record for a moment longer than its process.
    pause(1.0)
    return found & _without_process(workspace)


def _without_process(workspace: Workspace) -> set[str]:
    return {name for name, state in find_services(workspace).items() if not state.running}


def _start_again(names: set[str], workspace: Workspace, params: Params, environment: Mapping[str, str]) -> None:
    logger.warning("%s ended and is started again", ", ".join(sorted(names)))
    try:
        start_all(workspace, params, environment, only=names)
    except LoragError as error:
        logger.error("%s", error)
        return
    counts = _read_counts(workspace)
    write_json_durably(
        workspace.state / "run" / _COUNTS, {**counts, **{name: counts.get(name, 0) + 1 for name in names}}
    )


def _read_counts(workspace: Workspace) -> dict[str, int]:
    with suppress(OSError, ValueError):
        value = json.loads((workspace.state / "run" / _COUNTS).read_text(encoding="utf-8"))
        return {str(name): int(count) for name, count in value.items()} if isinstance(value, dict) else {}
    return {}


_COUNTS = "started_again.counts"
