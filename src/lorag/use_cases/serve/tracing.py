"""Traces of a share of the service's answers in MLflow, logged beside the answers and deleted after a term."""

import logging
import queue
import random
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from lorag.errors import StoreFailed
from lorag.integrations.mlflow.traces import TracedAnswer, log_served, purge_traces
from lorag.integrations.mlflow.tracking import TrackingLocation, locate_tracking
from lorag.params import Params
from lorag.workspace import Workspace

logger = logging.getLogger(__name__)

_MOST_WAITING = 1_000
_MOST_AT_ONCE = 50
_PURGE_S = 3_600.0
_END_S = 10.0


def experiment_of(params: Params) -> str:
    """Return the experiment of the traces: one of its own, since everything old in it is deleted."""
    return f"{params.tracking.experiment}-service"


@dataclass(slots=True)
class Tracer:
    """The traces of a service; its methods return at once, a thread of its own talks to MLflow.

    Of the answers, `service.trace_share` are traced, chosen by chance; with 0 nothing is imported or written. A trace
    that MLflow does not take, or that comes while too many wait, is dropped with a warning. Traces older than
    `service.keep_traces_days` are deleted when the service starts and each hour, also after tracing was turned off.
    """

    workspace: Workspace
    environment: Mapping[str, str]
    params: Params
    chance: Callable[[], float] = random.random
    _waiting: "queue.Queue[TracedAnswer | None]" = field(default_factory=lambda: queue.Queue(_MOST_WAITING))
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to take answers, if any are to be traced or were."""
        if self.params.service.trace_share or self.workspace.traced_file.exists():
            self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
            self._thread.start()

    def add(self, answer: TracedAnswer) -> None:
        """Trace an answer, by chance."""
        if self._thread is not None and self.chance() < self.params.service.trace_share:
            try:
                self._waiting.put_nowait(answer)
            except queue.Full:
                logger.warning("a trace was dropped: MLflow takes fewer than there are")

    def close(self) -> None:
        """Log what waits, for some seconds at most."""
        if self._thread is not None:
            with suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._thread.join(_END_S)
            if self._thread.is_alive():
                logger.warning("the last traces may be lost: MLflow did not take them in %.0f s", _END_S)
            self._thread = None

    def _work(self) -> None:
        purge_at = 0.0
        while True:
            if time.monotonic() >= purge_at:
                self._try(self._purge)
                purge_at = time.monotonic() + _PURGE_S
            with suppress(queue.Empty):
                answers = [self._waiting.get(timeout=max(0.0, purge_at - time.monotonic()))]
                while len(answers) < _MOST_AT_ONCE and not self._waiting.empty():
                    answers.append(self._waiting.get_nowait())
                known = [answer for answer in answers if answer is not None]
                self._try(partial(self._log, known))
                if len(known) < len(answers):
                    return

    def _log(self, answers: list[TracedAnswer]) -> None:
        if not answers:
            return
        self.workspace.traced_file.touch()
        log_served(self._location, experiment_of(self.params), answers)

    def _purge(self) -> None:
        # Without a trace there is no reason to wait for the import of MLflow.
        if self.workspace.traced_file.exists():
            before_s = time.time() - self.params.service.keep_traces_days * 86_400
            purge_traces(self._location, experiment_of(self.params), int(before_s * 1_000))

    @property
    def _location(self) -> TrackingLocation:
        return locate_tracking(self.workspace.state, self.environment)

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except StoreFailed as error:
            logger.warning("%s", error)
