"""Single calls of the operating system fail in a writer: what is served stays whole, and a line says what failed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.failing_calls import DISK, KINDS
from tests.faults.works import SCENARIOS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: no call can be made to fail"),
]
JUDGED = ("is_legal", "is_served", "is_true", "is_clear", "converges")
ROOT = Path(__file__).parents[2]


def judge(folder: Path, scenario: str, kinds: str, first: int, step: int) -> list[dict[str, Any]]:
    """The trials in which a call failed, after each was looked at."""
    command = [sys.executable, "-m", "tests.faults.failing_calls", str(folder), scenario, kinds, str(first), str(step)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr or "CalledProcessError: Command '['mount'" in done.stderr:
        pytest.skip("no right to trace a process, or to mount a small disk, here")
    assert done.returncode == 0, done.stderr[-2_000:]
    tried = [trial for trial in map(json.loads, done.stdout.splitlines()) if trial["failed"]]
    bad = [trial for trial in tried if not all(value for name, value in trial.items() if name in JUDGED)]
    assert not bad, f"{folder}: {len(bad)} of {len(tried)} trials, the first is {bad[0]}"
    print(f"{scenario}, {kinds}: {len(tried)} failed")
    return tried


def test_a_call_or_a_disk_that_fails_in_a_refresh_is_said_and_the_next_one_converges(made: Path) -> None:
    kinds = {trial["kind"] for trial in judge(made, "refresh", f"sync,rename,{DISK}", 5, 9)}
    assert kinds >= {"sync", "rename"}


@pytest.mark.full
@pytest.mark.parametrize("kind", [*KINDS, DISK])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_call_of_each_work_fails_in_its_turn_and_disks_fill_up(made: Path, scenario: str, kind: str) -> None:
    judge(made, scenario, kind, 1, 1)
