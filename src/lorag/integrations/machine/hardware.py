"""The hardware of this machine, which every measured cost names."""

import os
import platform
from functools import cache
from pathlib import Path

from lorag.costs.records import Machine
from lorag.integrations.machine.gpu_energy import read_gpu_names

_CPUINFO = Path("/proc/cpuinfo")


def read_machine() -> Machine:
    """Return the processor, the usable cores and the visible GPUs of this process."""
    return Machine(read_processor(), count_usable_cores(), read_gpu_names())


def count_usable_cores() -> int:
    """Return the number of cores that this process may use."""
    # Not every system can say which cores a process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def read_processor(cpuinfo: Path = _CPUINFO) -> str:
    """Return the model of the first processor; its architecture if the system does not name the model."""
    try:
        lines = cpuinfo.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        lines = []
    fields = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return fields.get("model name") or platform.processor() or platform.machine()
