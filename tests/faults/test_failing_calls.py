"""Single calls of the operating system fail in a writer: what is served stays whole, and a line says what failed."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.failing_calls import KINDS
from tests.faults.works import SCENARIOS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3_600),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: no call can be made to fail"),
]
ROOT = Path(__file__).parents[2]


def judge(folder: Path, scenario: str, kinds: str, first: int, step: int) -> list[dict[str, Any]]:
    """The trials in which a call failed, after each was looked at."""
    command = [sys.executable, "-m", "tests.faults.failing_calls", str(folder), scenario, kinds, str(first), str(step)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "Operation not permitted" in done.stderr:
        pytest.skip("no right to trace a process here: no call can be made to fail")
    assert done.returncode == 0, done.stderr[-2_000:]
    tried = [trial for trial in map(json.loads, done.stdout.splitlines()) if trial["failed"]]
    bad = [
        trial for trial in tried if not all(trial[name] for name in ("is_legal", "is_true", "is_clear", "converges"))
    ]
    assert not bad, f"{folder}: {len(bad)} of {len(tried)} trials, the first is {bad[0]}"
    print(f"{scenario}: {len(tried)} failed calls, each after {sorted({trial['kind'] for trial in tried})}")
    return tried


def test_a_call_that_fails_in_a_refresh_is_said_and_the_next_one_converges(made: Path) -> None:
    assert {trial["kind"] for trial in judge(made, "refresh", "sync,rename", 5, 9)} == {"sync", "rename"}


@pytest.mark.full
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_each_call_of_each_work_fails_in_its_turn(made: Path, scenario: str, kind: str) -> None:
    judge(made, scenario, kind, 1, 1)
