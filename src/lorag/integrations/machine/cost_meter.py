"""A meter around an update or a query."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self

from lorag.costs.energy import estimate_kwh
from lorag.costs.prices import cost_of
from lorag.costs.records import Cost, Use
from lorag.integrations.machine.carbon_intensity import co2_kg_of
from lorag.integrations.machine.gpu_energy import read_gpu_joules
from lorag.integrations.machine.hardware import read_machine
from lorag.integrations.machine.process_tree import read_tree_rss_mb, read_tree_use
from lorag.params import CostParams

SAMPLING_S = 0.5
SAMPLES_A_NOTE = 8


class CostMeter:
    """A meter of what this process and its children use, from `with` on.

    All threads of the process count, whatever they work on, and so does an inner meter's use in the outer one. Peak
    memory is sampled twice a second and at both ends: shorter peaks may be missed. `gpus` is how many GPUs the work
    holds; their energy is read from the driver, every user's together. Without `children`, for work that starts no
    process, none is looked for. `note` is called every few seconds, by a thread of the meter's own, with the cost so
    far.
    """

    def __init__(
        self,
        params: CostParams,
        *,
        gpus: int = 0,
        children: bool = True,
        note: Callable[[Cost], None] = lambda cost: None,
    ) -> None:
        self._params = params
        self._children = children
        self._note = note
        self._gpus = gpus
        self._tokens = Use()
        self._cost: Cost | None = None
        self._ended = threading.Event()
        self._sampler = threading.Thread(target=self._sample_memory, name="cost-meter", daemon=True)

    def __enter__(self) -> Self:
        self._machine = read_machine()
        self._peak_mb = read_tree_rss_mb(children=self._children)
        self._joules = read_gpu_joules(self._gpus)
        self._start = read_tree_use(children=self._children)
        self._start_s = time.perf_counter()
        self._sampler.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add_tokens(self, *, embedded: int = 0, prompt: int = 0, generated: int = 0, trained: int = 0) -> None:
        """Add tokens to those counted so far."""
        self._tokens = replace(
            self._tokens,
            tokens_embedded=self._tokens.tokens_embedded + embedded,
            tokens_prompt=self._tokens.tokens_prompt + prompt,
            tokens_generated=self._tokens.tokens_generated + generated,
            tokens_trained=self._tokens.tokens_trained + trained,
        )

    def stop(self) -> Cost:
        """End the metering and return its result; another call returns the same result."""
        if self._cost is None:
            self._ended.set()
            self._sampler.join()
            self._cost = cost_of(self._read(), self._params, self._machine)
        return self._cost

    def _read(self) -> Use:
        wall_s = time.perf_counter() - self._start_s
        end = read_tree_use(children=self._children)
        cpu_s = max(0.0, end.cpu_s - self._start.cpu_s)
        peak_mb = max(self._peak_mb, read_tree_rss_mb(children=self._children))
        kwh = estimate_kwh(cpu_s, wall_s, peak_mb, max(0.0, read_gpu_joules(self._gpus) - self._joules))
        written = None
        if end.bytes_written is not None and self._start.bytes_written is not None:
            written = max(0, end.bytes_written - self._start.bytes_written)
        return replace(
            self._tokens,
            wall_s=wall_s,
            cpu_s=cpu_s,
            gpu_s=wall_s * self._gpus,
            peak_rss_mb=peak_mb,
            bytes_written=written,
            kwh=kwh,
            co2_kg=co2_kg_of(kwh, self._params.country),
        )

    def _sample_memory(self) -> None:
        n_samples = 0
        while not self._ended.wait(SAMPLING_S):
            self._peak_mb = max(self._peak_mb, read_tree_rss_mb(children=self._children))
            n_samples += 1
            if n_samples % SAMPLES_A_NOTE == 0:
                self._note(cost_of(self._read(), self._params, self._machine))
