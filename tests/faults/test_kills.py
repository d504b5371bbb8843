"""Kills at every named place of a writer, and the proof that a release is on the disk before it is served."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lorag.errors import ParamsError
from lorag.failpoints import FAILPOINT, NAMES, TEST, arm
from tests.faults.killer import points_of
from tests.faults.works import SCENARIOS, copied

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]
FULL = pytest.mark.full
ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("LORAG_TEST_SEED") or random.SystemRandom().randrange(10**6))

FEW = ("apply.inserted", "sums.renamed", "record.written", "record.renamed", "pointer.synced", "publish.retained")
"""The places of a refresh that are killed in `make test`, where a mistake would show first."""

FEW_OF_THE_OTHERS = (
    "forget.denied",
    "forgetting.renamed",
    "forget.published",
    "forget.caches",
    "forget.purged",
    "backup.named",
    "restore.copied",
)
"""Those of an erasure, a backup and a restore."""


def trials(folder: Path, kills: int, scenarios: str, points: str, how: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.faults.killer", str(folder), str(SEED), str(kills), scenarios, points, how]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield from map(json.loads, process.stdout)
    assert process.returncode == 0


def judge(folder: Path, kills: int, scenarios: str, points: str = "", how: str = "kill") -> list[dict[str, Any]]:
    """The trials, after each was looked at; what failed is kept beside the seed."""
    found = list(trials(folder, kills, scenarios, points, how))
    bad = [one for one in found if not (one["is_legal"] and one["converges"])]
    assert not bad, f"seed {SEED}, {folder}: {len(bad)} of {len(found)} trials, the first is {bad[0]}"
    # An error may be one that the work goes on after, as where only a note could not be written.
    never = [one["point"] for one in found if one["point"] and not one["killed"] and how == "kill"]
    assert not never, f"places that were never reached: {never}"
    print(f"seed {SEED}: {len(found)} kills, {sum(one['killed'] for one in found)} of them before the end")
    return found


def test_a_refresh_that_is_killed_leaves_a_whole_release_and_the_next_one_converges(made: Path) -> None:
    assert len(judge(made, 0, "refresh", ",".join(FEW))) == len(FEW)


def test_an_erasure_a_backup_or_a_restore_that_is_killed_leaves_nothing_half_and_the_next_one_ends_it(
    made: Path,
) -> None:
    assert len(judge(made, 0, "forget,backup,restore", ",".join(FEW_OF_THE_OTHERS))) == len(FEW_OF_THE_OTHERS)


@FULL
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kills_at_every_place_and_at_random_moments(made: Path, scenario: str) -> None:
    kills = int(os.environ.get("LORAG_TEST_KILLS") or 125)
    assert len(judge(made, kills, scenario)) == len(points_of(scenario)) + kills


@FULL
@pytest.mark.parametrize("how", ["full", "raise"])
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_full_disk_and_an_error_of_the_disk_at_every_place(made: Path, scenario: str, how: str) -> None:
    assert len(judge(made, 0, scenario, how=how)) == len(points_of(scenario))


def test_every_place_belongs_to_a_scenario_and_is_reached_once_in_the_code() -> None:
    assert {point for name in SCENARIOS for point in points_of(name)} == set(NAMES)
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    named = re.findall(r"reach\(\"([a-z.]+)\"\)", code)
    assert len(named) == len(set(named)) and set(named) <= set(NAMES)
    by_file = {name for name in NAMES if name.partition(".")[2] in ("written", "synced", "renamed")}
    assert set(NAMES) - set(named) == by_file, "the others are those of a file that is replaced durably"


@pytest.mark.parametrize(
    "environment",
    [{FAILPOINT: "plan.before"}, {FAILPOINT: "nowhere", TEST: "1"}, {FAILPOINT: "plan.before:explode", TEST: "1"}],
)
def test_nobody_arms_a_place_by_mistake(environment: Mapping[str, str]) -> None:
    with pytest.raises(ParamsError, match="no failpoint of a test"):
        arm(environment)


FSYNC = re.compile(r"f(?:data)?sync\(\d+<(?P<path>/[^>]*)>")
WRITER = """
import sys
from pathlib import Path
from lorag.failpoints import arm
from lorag.workspace import Workspace
from tests.faults.works import SCENARIOS
arm({"LORAG_TEST": "1", "LORAG_FAILPOINT": "pointer.synced"})
SCENARIOS[sys.argv[1]][0](Workspace(Path(sys.argv[2])))
"""


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: fsync cannot be watched")
@pytest.mark.parametrize("scenario", ["refresh", "retrain"])
def test_every_file_of_a_release_is_on_the_disk_before_the_pointer_moves(
    made: Path, tmp_path: Path, scenario: str
) -> None:
    state = copied(made, tmp_path).state
    before = {path for path in state.rglob("*") if path.is_file()}
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-qq", "-s", "0", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    command += [sys.executable, "-c", WRITER, scenario, str(tmp_path / "w")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr:
        pytest.skip("no right to trace a process here: fsync cannot be watched")
    # It ended just before the rename that serves the release: all that is there now is what would be served.
    assert done.returncode != 0 and (state / ".current.json.tmp").is_file(), done.stderr[-500:]
    synced = {Path(found["path"]) for found in FSYNC.finditer(trace.read_text(encoding="utf-8"))}
    kept = ("lancedb", "adapters", "releases")
    new = {path for name in kept for path in (state / name).rglob("*") if path.is_file()} - before
    assert len(new) > (5 if scenario == "refresh" else 3)
    tops = {state / name for name in kept if any(path.is_relative_to(state / name) for path in new)}
    needed = new | {path.parent for path in new} | tops
    assert {path for path in needed if not synced & _names(path, state)} == set()
    assert state / ".current.json.tmp" in synced


def _names(path: Path, state: Path) -> set[Path]:
    """The name of a file or folder, and those that it may have had when it was synced."""
    names = {path}
    adapters = state / "adapters"
    if path.is_relative_to(adapters) and path != adapters:
        names.add(adapters / ".incoming" / Path(*path.relative_to(adapters).parts[1:]))
    return names | {name.with_name(f".{name.name}.tmp") for name in names}
