"""What a log shows of long work."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from lorag import progress


def test_a_log_is_told_while_the_work_goes_on_and_of_the_mean_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    log, now = io.StringIO(), [0.0]
    monkeypatch.setattr(progress, "console", Console(file=log, width=100, get_time=lambda: now[0]))
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with progress.show_progress("Embedding", 60) as advance:
        # 40 s for the first half, 20 s for the other.
        for n in (15, 15, 30):
            now[0] += 20
            advance(n)
    lines = [line.strip() for line in log.getvalue().splitlines() if line.strip()]
    assert lines[0] == "Embedding: 30 of 60, 0.8/s", "after more than half a minute"
    assert "60/60 1.0/s" in lines[1] and len(lines) == 2
