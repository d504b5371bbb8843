"""Lets one call of the operating system fail in a writer, the first, the second and so on, and looks what is served.

Run as `python -m tests.faults.failing_calls FOLDER SCENARIOS KINDS FROM STEP`: the calls of these kinds fail one at a
time, beginning with number FROM, then every STEP-th. Each thread counts its own calls. strace lets them fail, in native
libraries too. It prints a JSON object for each trial, the last of a kind with the number that was never reached.
"""

import errno
import importlib
import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from lorag.errors import LoragError
from lorag.integrations.machine.disk import explain_no_space
from tests.faults.killer import PRELOADED, begin_fork, converged, end_fork, in_fork, legal_states, without_id, work_of
from tests.faults.works import SCENARIOS, copied, make, state_beside

KINDS = {
    "sync": ("fsync,fdatasync", errno.EIO),
    "rename": ("?rename,?renameat,?renameat2", errno.ENOSPC),
    "folder": ("?mkdir,?mkdirat", errno.ENOSPC),
    "link": ("?link,?linkat,?symlink,?symlinkat", errno.EACCES),
    "delete": ("?unlink,?unlinkat,?rmdir", errno.EACCES),
    "write": ("write,pwrite64,writev,pwritev,?pwritev2,ftruncate,fallocate,?copy_file_range,?sendfile", errno.ENOSPC),
}
"""The calls of each kind, and the error that they end with."""


def trial(folder: Path, name: str, legal: list[dict[str, Any]], kind: str, number: int) -> dict[str, Any]:
    """Let the call fail, look, and do the work again without it."""
    workspace = copied(folder, folder / "failing")
    waiting, released = os.pipe()
    work = work_of(name, workspace)

    def watched() -> dict[str, Any]:
        os.read(waiting, 1)
        try:
            work()
        except Exception as error:
            traceback.print_exc()
            is_clear = isinstance(error, LoragError | OSError) or explain_no_space(error, workspace.root) is not None
            return {"error": f"{type(error).__name__}: {error}"[:300], "is_clear": is_clear}
        return {"error": None, "is_clear": True}

    fork = begin_fork(watched)
    calls, error = KINDS[kind]
    trace = folder / "trace"
    inject = f"inject={calls}:error={errno.errorcode[error]}:when={number}"
    command = ["strace", "-f", "-qq", "-s", "0", "-e", f"trace={calls}", "-e", inject, "-o", str(trace)]
    with subprocess.Popen([*command, "-p", str(fork.pid)]) as tracer:
        while not is_traced(fork.pid):
            assert tracer.poll() is None, "strace has ended"
            time.sleep(0.005)
        os.write(released, b"1")
        status, said = end_fork(fork)
    for end in (waiting, released):
        os.close(end)
    failed = [line for line in trace.read_text(errors="replace").splitlines() if line.endswith("(INJECTED)")]
    _, after = in_fork(lambda: state_beside(workspace))
    is_done = without_id(after) == without_id(legal[-1])
    return {
        "scenario": name,
        "kind": kind,
        "number": number,
        "failed": failed[:3],
        "said": said,
        "is_legal": after in legal,
        # What ended without an error has done its work. It has not said anything if the failed call was to say it.
        "is_true": bool(status or said["error"]) or is_done,
        "is_clear": said is None or said["is_clear"],
        "converges": converged(name, workspace, legal),
        "state": after,
    }


def is_traced(pid: int) -> bool:
    """Whether another process looks at the calls of this one."""
    status = Path(f"/proc/{pid}/status").read_text()
    return "TracerPid:\t0\n" not in status


def main() -> None:
    folder, scenarios, kinds, first, step = (*sys.argv[1:4], int(sys.argv[4]), int(sys.argv[5]))
    for module in PRELOADED:
        importlib.import_module(module)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    place = Path(folder)
    if not (place / "w").is_dir():
        assert in_fork(lambda: make(place))[0] == 0, "the workspace could not be made"
    for name in scenarios.split(",") if scenarios else SCENARIOS:
        legal, _ = legal_states(place, name, place / "failing")
        for kind in kinds.split(",") if kinds else KINDS:
            number = first
            while True:
                tried = trial(place, name, legal, kind, number)
                out.write(json.dumps(tried) + "\n")
                out.flush()
                if not tried["failed"]:
                    break
                number += step


if __name__ == "__main__":
    main()
