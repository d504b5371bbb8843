"""Energy that NVIDIA GPUs say they have used."""

import pynvml


def count_gpus() -> int:
    """The GPUs that the driver knows; 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return int(pynvml.nvmlDeviceGetCount())
    finally:
        pynvml.nvmlShutdown()


def read_gpu_joules(n_gpus: int) -> float:
    """Joules of the first `n_gpus` GPUs since the driver was loaded, all users together; 0 where they do not tell."""
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
