"""Two writers that begin at the same moment: one of them writes at a time, and the other one is told."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(3_600)]
ROOT = Path(__file__).parents[2]
TOLD = re.compile(r"error\[E040\] another (refresh, retrain or rollback is running|writer runs; no answer uses)[^\n]+")
FORGOTTEN = re.compile(r"error\[E020\] 1 document was forgotten while this ran[^\n]+")

PAIRS = ("rollback+retrain", "refresh+refresh", "refresh+retrain", "forget+refresh", "backup+refresh")
N_OF_EACH = 10


@pytest.mark.parametrize("pair", PAIRS)
def test_two_writers_at_once_leave_what_one_after_the_other_leaves(made: Path, pair: str) -> None:
    command = [sys.executable, "-m", "tests.faults.pairs", str(made), str(N_OF_EACH), pair]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(trials) == N_OF_EACH
    assert [one for one in trials if not one["is_legal"]] == []
    lines = [line for one in trials for line in one["told"] if line is not None]
    assert lines, "they met at least once"
    known = (TOLD, FORGOTTEN) if pair == "forget+refresh" else (TOLD,)
    assert [line for line in lines if not any(each.fullmatch(line) for each in known)] == []
    for one in trials:
        in_vain = pair == "forget+refresh" and FORGOTTEN.fullmatch(one["told"][1] or "")
        assert None in one["told"] or in_vain, "one of the two has done its work"
