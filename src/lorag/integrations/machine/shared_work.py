"""The share of this process that each of several works at the same time has used."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Share:
    """The share (0..1) of one work in what the process used meanwhile; each moment is divided among all that run."""

    _own_s: float = 0.0
    _began_s: float = 0.0
    _ended_s: float | None = None

    @property
    def value(self) -> float:
        """The share once the work has ended; 1 for a work that was alone."""
        assert self._ended_s is not None, "the work has not ended"
        lasted = self._ended_s - self._began_s
        return min(1.0, self._own_s / lasted) if lasted > 0 else 1.0


@dataclass(slots=True)
class SharedWork:
    """The works that run now; threads may share it."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _running: list[Share] = field(default_factory=list)
    _at_s: float = 0.0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Count the body as a work, and yield its share, whose value is known after the body."""
        own = Share()
        with self._lock:
            self._divide()
            own._began_s = self._at_s
            self._running.append(own)
        try:
            yield own
        finally:
            with self._lock:
                self._divide()
                self._running.remove(own)
                own._ended_s = self._at_s

    def _divide(self) -> None:
        """Give the time since the last change to those that ran; the lock is held."""
        now = time.perf_counter()
        for each in self._running:
            each._own_s += (now - self._at_s) / len(self._running)
        self._at_s = now
