"""Mistakes planted in a copy of the sources, each of which the tests named beside it must notice."""

import ast
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake: the text in a file of the package that is exchanged for another, and the tests that then fail."""

    file: str
    text: str
    planted: str
    tests: tuple[str, ...]


FAULTS = {
    "nothing is synced": Fault(
        "releases/durable.py",
        "            os.fsync(descriptor)\n",
        "            pass\n",
        ("tests/faults/test_kills.py::test_every_file_of_a_release_is_on_the_disk_before_the_pointer_moves[refresh]",),
    ),
    "a release is served before it was compared": Fault(
        "use_cases/serve/manage_releases.py",
        "target = _first_whole(candidates, store, workspace)",
        "target = candidates[0]",
        (
            "tests/use_cases/serve/test_damage.py::test_faults_11_a_rollback_compares_every_byte_and_passes_over_what_is_damaged",
        ),
    ),
    "the served release is not compared with the expected one": Fault(
        "releases/shelf.py",
        "if served is not None and served != expected_served:",
        "if served is None and served != expected_served:",
        ("tests/releases/test_shelf.py::test_a_stale_writer_is_refused",),
    ),
    "the lock is not taken": Fault(
        "releases/durable.py",
        "        lock.acquire(timeout=wait_s, poll_interval=0.2)\n",
        "        pass\n",
        ("tests/releases/test_shelf.py::test_a_second_writer_is_told_at_once",),
    ),
    "a release is dropped under its reader": Fault(
        "releases/shelf.py",
        "            yield False\n",
        "            yield True\n",
        (
            "tests/use_cases/serve/test_damage.py::test_faults_1_a_release_that_is_read_stays_on_the_shelf_until_its_reader_ends",
        ),
    ),
    "a gate passes what is no number": Fault(
        "releases/index_gate.py",
        "if not math.isfinite(recall) or exact(recall) < floor:",
        "if math.isfinite(recall) and exact(recall) < floor:",
        ("tests/releases/test_index_gate.py",),
    ),
    "errors of single objects are not looked at": Fault(
        "integrations/weaviate/writer.py",
        "errors = {number: error.message for number, error in result.errors.items()}",
        "errors = {}",
        ("tests/integrations/weaviate/test_writer.py",),
    ),
    "a key does not narrow what is searched": Fault(
        "use_cases/serve/access.py",
        "self.where + tuple(pair for pair in asked if pair not in self.where)",
        "asked",
        ("tests/service/test_access.py::test_a_page_of_another_is_as_one_that_is_not_there",),
    ),
    "a filter is applied to what was found": Fault(
        "integrations/lancedb/index.py",
        "search.where(predicate, prefilter=True)",
        "search.where(predicate, prefilter=False)",
        ("tests/contract/test_index_store.py::test_a_filter_is_applied_before_the_nearest_are_taken",),
    ),
    "a backup may name any place": Fault(
        "use_cases/operate/back_up.py",
        'if path.is_absolute() or ".." in path.parts or not path.parts or "\\0" in name or "\\\\" in name:',
        "if not path.parts:",
        ("tests/use_cases/operate/test_back_up.py::test_no_file_is_written_outside",),
    ),
    "rows are deleted and their bytes stay": Fault(
        "integrations/lancedb/index.py",
        "        table.optimize(cleanup_older_than=_AGE_OF_NO_VERSION, delete_unverified=True)\n",
        "",
        ("tests/contract/test_lancedb_damage.py::test_dropped_generations_give_their_bytes_back",),
    ),
}


def planted(fault: Fault, folder: Path) -> Path:
    """A copy of the sources with the mistake in it; fails if the text is not there exactly once any more."""
    source = shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    file = source / "lorag" / fault.file
    text = file.read_text(encoding="utf-8")
    assert text.count(fault.text) == 1, f"the text to change in {fault.file} is not what it was"
    file.write_text(text.replace(fault.text, fault.planted), encoding="utf-8")
    return source


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_can_be_planted_and_its_tests_exist(name: str) -> None:
    fault = FAULTS[name]
    text = (ROOT / "src" / "lorag" / fault.file).read_text(encoding="utf-8")
    assert text.count(fault.text) == 1 and fault.text != fault.planted
    ast.parse(text.replace(fault.text, fault.planted))
    for test in fault.tests:
        path, _, function = test.partition("::")
        assert f"def {function.partition('[')[0]}" in (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FAULTS)
def test_the_suite_notices(name: str, tmp_path: Path) -> None:
    fault = FAULTS[name]
    if "test_kills" in fault.tests[0] and shutil.which("strace") is None:
        pytest.skip("strace is not installed: fsync cannot be watched")
    environment = {**os.environ, "PYTHONPATH": str(planted(fault, tmp_path))}
    where = "import lorag; print(lorag.__file__)"
    found = subprocess.run([sys.executable, "-c", where], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert found.stdout.startswith(str(tmp_path)), "the copy is what the tests import"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "", *fault.tests]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "FAILED" in done.stdout, done.stdout[-3_000:]
