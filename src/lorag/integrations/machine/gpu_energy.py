"""The NVIDIA GPUs that this process sees, and the energy that they report."""

import os
from collections.abc import Mapping
from typing import Any

import pynvml


def count_held_gpus() -> int:
    """The GPUs that a process of lorag holds: one, the first that it sees, however many the host has; 0 without any."""
    return min(1, len(_visible_on_this_host()))


def visible_gpus(n_gpus: int, environ: Mapping[str, str]) -> list[int | str]:
    """The indices or ids of the host's GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; all where it is not set."""
    named = environ.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return list(range(n_gpus))
    visible: list[int | str] = []
    for name in (part.strip() for part in named.split(",")):
        # As CUDA does: nothing counts from the first on that is none.
        if not name or name.startswith("-") or (name.isdigit() and int(name) >= n_gpus):
            break
        visible.append(int(name) if name.isdigit() else name)
    return visible if n_gpus else []


def _visible_on_this_host() -> list[int | str]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return visible_gpus(int(pynvml.nvmlDeviceGetCount()), os.environ)
    finally:
        pynvml.nvmlShutdown()


def read_gpu_names() -> tuple[str, ...]:
    """The models of the visible GPUs, in the order of CUDA; empty without any."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return ()
    try:
        return tuple(str(pynvml.nvmlDeviceGetName(handle)) for handle in _visible_handles())
    except pynvml.NVMLError:
        return ()
    finally:
        pynvml.nvmlShutdown()


def read_gpu_joules(n_gpus: int) -> float:
    """Joules of the first `n_gpus` visible GPUs since the driver was loaded, all users'; 0 where they do not tell."""
    if n_gpus == 0:
        return 0.0
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0.0
    try:
        handles = _visible_handles()[:n_gpus]
        return float(sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles)) / 1000
    except pynvml.NVMLError:
        return 0.0
    finally:
        pynvml.nvmlShutdown()


def _visible_handles() -> list[Any]:
    return [
        pynvml.nvmlDeviceGetHandleByIndex(gpu) if isinstance(gpu, int) else pynvml.nvmlDeviceGetHandleByUUID(gpu)
        for gpu in visible_gpus(int(pynvml.nvmlDeviceGetCount()), os.environ)
    ]
