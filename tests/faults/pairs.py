"""Lets two writers begin at the same moment, and compares what they leave with each order that is legal.

Run as `python -m tests.faults.pairs FOLDER N PAIR`, with PAIR as `refresh+retrain`. It prints a JSON object for each of
N trials. As in `killer`, nothing is opened before the fork.
"""

import importlib
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from lorag.errors import LoragError
from lorag.releases.durable import writer_lock
from lorag.workspace import Workspace
from tests.faults.killer import PRELOADED, begin_fork, end_fork, in_fork, without_id
from tests.faults.works import SCENARIOS, copied, state_beside

LOCKED_BY_THEIR_FLOW = {"refresh", "retrain"}
"""The work whose flow holds the writer lock; the others take it themselves."""


def attempt(name: str, workspace: Workspace) -> str | None:
    """Do the work as a command does it; return None, or the line of its error."""
    try:
        with writer_lock(workspace.lock_file) if name in LOCKED_BY_THEIR_FLOW else nullcontext():
            SCENARIOS[name][0](workspace)
    except LoragError as error:
        return error.line()
    return None


def refused(name: str, workspace: Workspace) -> str | None:
    """Try the work while another writer runs."""
    with writer_lock(workspace.lock_file):
        return attempt(name, workspace)


def after_each(folder: Path, *works: tuple[Callable[[str, Workspace], str | None], str]) -> Any:
    """What is left by one work after the other."""
    workspace = copied(folder, folder / "serial")
    for work, name in works:
        in_fork(lambda work=work, name=name: work(name, workspace))  # type: ignore[misc]
    return without_id(in_fork(lambda: state_beside(workspace))[1])


def legal_states(folder: Path, first: str, second: str) -> dict[tuple[bool, bool], list[Any]]:
    """The states that are legal, by which of the two works was done: both in either order, or one of them."""
    orders = [((attempt, first), (attempt, second)), ((attempt, second), (attempt, first))]
    legal = {
        (True, True): [after_each(folder, *order) for order in orders[: len({first, second})]],
        (True, False): [after_each(folder, (attempt, first))],
        (False, True): [after_each(folder, (attempt, second))],
    }
    if first == "forget":
        # Also where it is refused, the document is in no answer from then on.
        orders = [((refused, first), (attempt, second)), ((attempt, second), (refused, first))]
        legal[False, True] = [after_each(folder, *order) for order in orders]
        # The other one may have read the document before, and then publishes nothing.
        legal[False, False] = [after_each(folder, (refused, first))]
    return legal


def race(folder: Path, names: tuple[str, str]) -> tuple[list[str | None], Any]:
    """Begin both at once; return the line of each one's error, if any, and what is left."""
    workspace = copied(folder, folder / "pair")
    waiting, gate = os.pipe()

    def begin(name: str) -> Callable[[], str | None]:
        def work() -> str | None:
            os.close(gate)
            # Ends for both once nobody holds the other end.
            os.read(waiting, 1)
            return attempt(name, workspace)

        return work

    forks = [begin_fork(begin(name)) for name in names]
    os.close(gate)
    os.close(waiting)
    ended = [end_fork(fork) for fork in forks]
    assert not any(status for status, _ in ended), "neither is killed, and neither has a defect"
    return [said for _, said in ended], without_id(in_fork(lambda: state_beside(workspace))[1])


def main() -> None:
    folder, n = Path(sys.argv[1]), int(sys.argv[2])
    first, _, second = sys.argv[3].partition("+")
    for module in PRELOADED:
        importlib.import_module(module)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    legal = legal_states(folder, first, second)
    assert not [one for states in legal.values() for one in states if one["problems"]]
    for _ in range(n):
        told, left = race(folder, (first, second))
        is_legal = left in legal.get((told[0] is None, told[1] is None), [])
        out.write(json.dumps({"told": told, "is_legal": is_legal, "state": left}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
