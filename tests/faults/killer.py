"""Ends a writer at a named place, or at a random moment, in a forked process, and looks at once at what is served.

Run as `python -m tests.faults.killer FOLDER SEED KILLS SCENARIOS POINTS HOW`, with KILLS at random moments of each
scenario and, if POINTS is empty, at all places. HOW is `kill`, or another one of `lorag.failpoints.arm`: the writer
then meets an error there. It imports everything once, opens nothing, and forks a process for each trial, because a fork
after LanceDB has started its threads would hang. It prints a JSON object for each trial.
"""

import importlib
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorag.failpoints import FAILPOINT, NAMES, TEST, arm
from lorag.workspace import Workspace
from tests.faults.works import BESIDE, ERASING, SCENARIOS, copied, make, n_holding, state_beside

PRELOADED = ("lancedb", "lancedb.query", "lancedb.index", "pandas", "safetensors.numpy", "dvc.repo", "dvc.repo.add")
"""What the work imports late, and what can be forked: LanceDB's client starts its own thread again in a child."""


@dataclass(frozen=True)
class Fork:
    """A forked process that is at work, and the stream of what its work returns."""

    pid: int
    reading: int


def begin_fork(work: Callable[[], Any]) -> Fork:
    """Begin the work in a forked process."""
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        status = 1
        try:
            os.close(reading)
            # What libraries print is not for the reader of the results.
            os.dup2(2, 1)
            os.write(writing, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    return Fork(pid, reading)


def end_fork(fork: Fork) -> tuple[int, Any]:
    """Return how a forked process ended, as `os.waitpid` says it, and what its work returned."""
    with os.fdopen(fork.reading, "rb") as stream:
        said = stream.read()
    _, status = os.waitpid(fork.pid, 0)
    return status, json.loads(said) if said else None


def in_fork(work: Callable[[], Any], kill_after_s: float | None = None) -> tuple[int, Any]:
    """Do the work in a forked process; return what `end_fork` returns."""
    fork = begin_fork(work)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(fork.pid, signal.SIGKILL)
    return end_fork(fork)


def work_of(name: str, workspace: Workspace, point: str | None = None) -> Callable[[], None]:
    def work() -> None:
        if point is not None:
            arm({TEST: "1", FAILPOINT: point})
        SCENARIOS[name][0](workspace)

    return work


def trial(
    folder: Path, name: str, legal: list[dict[str, Any]], point: str | None, after_s: float | None
) -> dict[str, Any]:
    """Kill one scenario at a place, or after some seconds; look, and run it again."""
    workspace = copied(folder, folder / "trial")
    status, _ = in_fork(work_of(name, workspace, point), after_s)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    _, after = in_fork(lambda: state_beside(workspace))
    return {
        "scenario": name,
        "point": point,
        "after_s": after_s,
        "killed": killed,
        "is_legal": after in legal,
        "converges": converged(name, workspace, legal),
        "state": after,
    }


def converged(name: str, workspace: Workspace, legal: list[dict[str, Any]]) -> bool:
    """Do the work again; return whether it ended as work that was never disturbed, and left nothing else behind."""
    again, _ = in_fork(work_of(name, workspace))
    _, last = in_fork(lambda: state_beside(workspace))
    beside = workspace.root.parent
    is_clean = {path.name for path in beside.iterdir()} <= BESIDE
    is_erased = name not in ERASING or n_holding(beside / ERASING[name]) == 0
    return again == 0 and without_id(last) == without_id(legal[-1]) and is_erased and is_clean


def legal_states(folder: Path, name: str, where: Path) -> tuple[list[dict[str, Any]], float]:
    """Do one scenario in the folder `where`.

    Return what may be served whenever it is disturbed, its end last, and the seconds that it takes.
    """
    workspace = copied(folder, where)
    before = in_fork(lambda: state_beside(workspace))[1]
    began = time.monotonic()
    status, _ = in_fork(work_of(name, workspace))
    took_s = time.monotonic() - began
    after = in_fork(lambda: state_beside(workspace))[1]
    legal = [before, after]
    if name in ERASING:
        assert n_holding(workspace.root.parent / ERASING[name]) == 0 < n_holding(folder / "w")
    if name == "forget":
        # Once the ledger has its line nobody is told of the document, whatever is served.
        legal.insert(1, {**before, "denied": True, "found": after["found"]})
    assert status == 0 and not before["problems"] and not after["problems"], (name, legal)
    return legal, took_s


def without_id(value: dict[str, Any] | None) -> Any:
    return {key: item for key, item in (value or {}).items() if key != "release"}


def points_of(name: str) -> list[str]:
    return [point for point in NAMES if point.partition(".")[0] in SCENARIOS[name][1]]


def main() -> None:
    folder, seed, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for module in PRELOADED:
        importlib.import_module(module)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if not (folder / "w").is_dir():
        assert in_fork(lambda: make(folder))[0] == 0, "the workspace could not be made"
    chosen = random.Random(seed)
    wanted, how = sys.argv[4].split(","), sys.argv[6]
    points = set(sys.argv[5].split(",")) if sys.argv[5] else set(NAMES)
    for name in wanted:
        legal, took_s = legal_states(folder, name, folder / "trial")
        moments = [(None, chosen.uniform(0, took_s)) for _ in range(kills)]
        for point, after_s in [*((f"{point}:{how}", None) for point in points_of(name) if point in points), *moments]:
            out.write(json.dumps(trial(folder, name, legal, point, after_s)) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
