"""The use of this process and its children so far, by the operating system's count, and how they end together."""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class TreeUse:
    """The totals since the start of this process; subtract two of them.

    Children count while they live. Once they were waited for, they count in their parent's numbers.
    """

    cpu_s: float
    bytes_written: int | None


def read_tree_use(*, children: bool = True) -> TreeUse:
    """Return the totals now, without those of children if none were started; takes a few milliseconds with them."""
    seconds = 0.0
    written: int | None = 0
    for process in _tree(children=children):
        try:
            with process.oneshot():
                times = process.cpu_times()
                seconds += times.user + times.system + times.children_user + times.children_system
                # /proc/PID/io includes children that were waited for, as the children_ times do.
                written = None if written is None else written + process.io_counters().write_bytes
        except psutil.NoSuchProcess:
            continue
        except (psutil.AccessDenied, NotImplementedError, AttributeError):
            # Systems and sandboxes that do not count bytes.
            written = None
    return TreeUse(seconds, written)


def read_tree_rss_mb(*, children: bool = True) -> float:
    """Return the resident memory of the tree now, in MiB; see `read_tree_use`."""
    total = 0
    for process in _tree(children=children):
        try:
            total += process.memory_info().rss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 2**20


def process_began_s() -> float:
    """Return when this process was started, on the clock of `time.monotonic`, to a hundredth of a second."""
    try:
        # The field after the name, which may contain anything but a closing bracket; psutil rounds to whole seconds.
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError):
        # Systems without /proc.
        age_s = time.time() - psutil.Process().create_time()
    return time.monotonic() - max(0.0, age_s)


def end_with(pid: int) -> None:
    """Make this process end within a second or so of the process with that id, however that one ends."""

    def follow() -> None:
        with suppress(psutil.NoSuchProcess):
            other = psutil.Process(pid)
            # A killed process is a zombie until its parent waits for it.
            while other.is_running() and other.status() != psutil.STATUS_ZOMBIE:
                time.sleep(1)
        # At once: half-written files stay half written, as after a kill.
        os._exit(1)

    threading.Thread(target=follow, name=f"follows {pid}", daemon=True).start()


def _tree(*, children: bool) -> list[psutil.Process]:
    me = psutil.Process()
    return [me, *me.children(recursive=True)] if children else [me]
