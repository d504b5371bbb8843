import os
import subprocess
import sys
from pathlib import Path

import pytest

from lorag.costs.records import Machine
from lorag.integrations.machine.hardware import count_usable_cores, read_machine, read_processor

LISTED = """processor\t: 0
model name\t: Example 9000 @ 3.00GHz
flags\t\t: fpu vme

processor\t: 1
model name\t: Example 9000 @ 3.00GHz
"""


def test_the_processor_is_the_model_that_the_system_names(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(LISTED)
    assert read_processor(tmp_path / "cpuinfo") == "Example 9000 @ 3.00GHz"


@pytest.mark.parametrize("listed", ["processor\t: 0\nBogoMIPS\t: 50.00\n", None], ids=["not named", "no such file"])
def test_without_a_model_the_processor_is_an_architecture(tmp_path: Path, listed: str | None) -> None:
    if listed is not None:
        (tmp_path / "cpuinfo").write_text(listed)
    assert read_processor(tmp_path / "cpuinfo")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_are_those_that_the_process_may_use() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from lorag.integrations.machine.hardware import count_usable_cores; print(count_usable_cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "1\n"
    assert count_usable_cores() == len(os.sched_getaffinity(0))


def test_a_machine_reads_as_its_parts() -> None:
    assert str(Machine("Example 9000", 1)) == "Example 9000, 1 core"
    assert str(Machine("Example 9000", 8, ("H1", "H1"))) == "Example 9000, 8 cores, H1, H1"
    found = read_machine()
    assert found == read_machine()
    assert Machine.from_json({"processor": found.processor, "n_cores": found.n_cores, "gpus": [*found.gpus]}) == found
