"""After many refreshes and questions a process holds no more than after a few."""

import gc
import shutil
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from lorag.use_cases.refresh import steps
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.search import search_with
from tests.faults.works import copied
from tests.use_cases.conftest import PAGES, Place

N_FIRST = 5
POOLS_MAY_ADD = 4
"""Threads that the pools of native libraries may start late: their number depends on how calls happened to meet."""
TEMPORARY = ("*.tmp", "*.partial", "*.restoring", "*.databases", ".incoming")


@dataclass(frozen=True)
class Held:
    """What this process holds, and what it left behind."""

    descriptors: int
    python_threads: int
    children: int
    temporary: frozenset[str]
    releases: int
    readers: int


def held(place: Place, temporary: Path) -> Held:
    gc.collect()
    process, state = psutil.Process(), place.workspace.state
    left = [path for pattern in TEMPORARY for path in place.workspace.root.rglob(pattern)]
    return Held(
        process.num_fds(),
        threading.active_count(),
        len(process.children(recursive=True)),
        frozenset(str(path) for path in (*left, *temporary.iterdir())),
        len(list((state / "releases").iterdir())),
        len(list((state / "readers").iterdir())),
    )


@pytest.mark.parametrize(
    ("n_refreshes", "n_questions"),
    [(8, 40), pytest.param(50, 200, marks=[pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(3_600)])],
)
def test_nothing_is_held_or_left_by_refreshes_and_questions(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_refreshes: int, n_questions: int
) -> None:
    monkeypatch.setattr("lorag.use_cases.serve.live.open_generator", lambda *given: None)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    place = Place(copied(made, tmp_path / "copy"), tmp_path / "copy" / "docs", made / "model")
    place.source.unlink()
    shutil.copytree(made / "docs", place.source)
    live, found = LiveRelease(place.workspace, {}), []
    after_few, threads = None, 0
    for number in range(1, n_refreshes + 1):
        (place.source / "berths.md").write_text(PAGES["berths.md"].replace("7.25", f"{number}.50"))
        steps.snapshot(place.workspace, place.params)
        place.refresh()
        for _ in range(n_questions // n_refreshes):
            with live.use(None) as opened:
                hit = search_with("How deep is berth 4?", opened.served, None, opened.params, top_k=1).hits[0]
            found.append(f"{number}.50" in hit.chunk.text)
        if number == N_FIRST:
            after_few, threads = held(place, temporary), psutil.Process().num_threads()
    assert held(place, temporary) == after_few
    assert psutil.Process().num_threads() <= threads + POOLS_MAY_ADD
    assert len(found) == n_questions and all(found)
    live.close()
