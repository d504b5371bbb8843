"""The energy that NVIDIA GPUs report."""

import pynvml


def count_gpus() -> int:
    """Return the number of GPUs that the driver knows; 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()


def read_gpu_joules(n_gpus: int) -> float:
    """Return the joules of the first `n_gpus` GPUs since the driver was loaded, of all users; 0 if they report none."""
    if n_gpus == 0:
        return 0.0
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0.0
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(n_gpus)]
        return float(sum(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle) for handle in handles)) / 1000
    except pynvml.NVMLError:
        return 0.0
    finally:
        pynvml.nvmlShutdown()
