"""Lets one call of the operating system fail in a writer, the first, the second and so on, and looks what is served.

Run as `python -m tests.faults.failing_calls FOLDER SCENARIOS KINDS FROM STEP`: the calls of these kinds fail one at a
time, beginning with number FROM, then every STEP-th. Each thread counts its own calls. strace lets them fail, in native
libraries too. The kind `disk` is a disk with less and less left, FROM and STEP being places in `FREE_KIB`. It prints a
JSON object for each trial, of the calls up to the number that was never reached.
"""

import errno
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from lorag.errors import LoragError
from lorag.integrations.machine.disk import explain_limits
from lorag.workspace import Workspace
from tests.faults.killer import PRELOADED, begin_fork, converged, end_fork, in_fork, legal_states, without_id, work_of
from tests.faults.works import SCENARIOS, copied, make, state, state_beside

KINDS = {
    "sync": ("fsync,fdatasync", errno.EIO),
    "rename": ("?rename,?renameat,?renameat2", errno.ENOSPC),
    "folder": ("?mkdir,?mkdirat", errno.ENOSPC),
    "link": ("?link,?linkat,?symlink,?symlinkat", errno.EACCES),
    "delete": ("?unlink,?unlinkat,?rmdir", errno.EACCES),
    "open": ("openat,?open,?openat2,?creat", errno.EMFILE),
    "write": ("pwrite64,pwritev,?pwritev2,ftruncate,fallocate,?copy_file_range,?sendfile", errno.ENOSPC),
}
"""The calls of each kind, and the error that they end with.

`write` itself is not among them: threads wake each other by it, which no full disk prevents.
"""

DISK = "disk"
FREE_KIB = (0, *(round(4 * 1.4**exponent) for exponent in range(24)))
"""What is left on a disk that fills up, in 24 steps from 4 KiB to 9 MiB; with 0 the disk can only be read."""


def call_fails(folder: Path, name: str, legal: list[dict[str, Any]], kind: str, number: int) -> dict[str, Any]:
    """Let the call fail, look, and do the work again without it."""
    workspace = copied(folder, folder / "failing")
    waiting, released = os.pipe()

    def watched() -> dict[str, Any]:
        os.read(waiting, 1)
        return saying(name, workspace)

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
    return {"kind": kind, "number": number, "failed": failed[:3]} | looked_at(name, workspace, legal, status, said)


def disk_fills_up(folder: Path, name: str, legal: list[dict[str, Any]], free_kib: int) -> dict[str, Any]:
    """Do the work on a disk with this much left, look, and do it again on one with more."""
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o"]
    subprocess.run([*mount, "size=512m", "lorag-test", str(disk)], check=True)
    try:
        workspace = copied(folder, disk / "failing")
        used_kib = (shutil.disk_usage(disk).used + 1023) // 1024
        options = f"remount,size={used_kib + free_kib}k" if free_kib else "remount,ro"
        subprocess.run([*mount, options, "lorag-test", str(disk)], check=True)
        status, said = in_fork(lambda: saying(name, workspace))
        # Whoever asks meanwhile needs no space.
        full = in_fork(lambda: state(workspace))[1] or {}
        is_served = full in [{key: one[key] for key in full} for one in legal] and bool(full)
        subprocess.run([*mount, "remount,rw,size=512m", "lorag-test", str(disk)], check=True)
        tried = looked_at(name, workspace, legal, status, said)
        failed = [] if said and said["error"] is None else ["the disk was full"]
        return {"kind": "disk", "number": free_kib, "failed": failed} | tried | {"is_served": is_served}
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def saying(name: str, workspace: Workspace) -> dict[str, Any]:
    """Do the work; return the error that it ended with, and whether the command would say it in a line of its own."""
    try:
        work_of(name, workspace)()
    except Exception as error:
        traceback.print_exc()
        is_clear = isinstance(error, LoragError | OSError) or explain_limits(error, workspace.root) is not None
        return {"error": f"{type(error).__name__}: {error}"[:300], "is_clear": is_clear}
    return {"error": None, "is_clear": True}


def looked_at(
    name: str, workspace: Workspace, legal: list[dict[str, Any]], status: int, said: dict[str, Any] | None
) -> dict[str, Any]:
    """Judge what is served after the work, and do the work again."""
    _, after = in_fork(lambda: state_beside(workspace))
    is_done = without_id(after) == without_id(legal[-1])
    return {
        "scenario": name,
        "said": said,
        "is_legal": after in legal,
        # What ended without an error has done its work. It has not said anything if the failed call was to say it.
        "is_true": bool(status or said is None or said["error"]) or is_done,
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
            for tried in trials(place, name, legal, kind, first, step):
                out.write(json.dumps(tried) + "\n")
                out.flush()


def trials(
    folder: Path, name: str, legal: list[dict[str, Any]], kind: str, first: int, step: int
) -> Iterator[dict[str, Any]]:
    if kind == DISK:
        yield from (disk_fills_up(folder, name, legal, free_kib) for free_kib in FREE_KIB[first - 1 :: step])
        return
    for number in count(first, step):
        tried = call_fails(folder, name, legal, kind, number)
        yield tried
        if not tried["failed"]:
            return


if __name__ == "__main__":
    main()
