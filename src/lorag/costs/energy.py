"""An estimate of energy from what a process tree used, for machines that do not measure it."""

WATTS_PER_BUSY_THREAD = 4.0
"""codecarbon's figure for a processor that its table does not list; server and desktop parts lie between 2 and 9."""

WATTS_PER_GB_RAM = 0.375
"""3 W for a module of 8 GB, the rule of thumb of memory makers that codecarbon used before it counted modules."""

JOULES_A_KWH = 3.6e6
MIB_A_GB = 1e9 / 2**20


def estimate_kwh(cpu_s: float, wall_s: float, peak_rss_mb: float, gpu_joules: float) -> float:
    """Return the kWh of busy cores, of the memory held at the peak, and of the GPUs' own counters.

    Not covered: the power of the idle machine, its disks, network and cooling. The estimate is for comparing updates
    with one another; by itself it may be wrong by a factor of two or three.
    """
    joules = cpu_s * WATTS_PER_BUSY_THREAD + wall_s * WATTS_PER_GB_RAM * peak_rss_mb / MIB_A_GB + gpu_joules
    return joules / JOULES_A_KWH
