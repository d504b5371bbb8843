import importlib.util
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks/refresh.py"


def load_script() -> Any:
    spec = importlib.util.spec_from_file_location("refresh_benchmark", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def result(system: str, phase: str, repeat: int, seconds: float, n_rows: int = 5) -> dict[str, Any]:
    return {
        "system": system,
        "phase": phase,
        "repeat": repeat,
        "seconds": seconds,
        "cpu_s": 2 * seconds,
        "n_rows": n_rows,
    }


def test_ratios_are_taken_within_a_repeat() -> None:
    # In the second repeat the machine was slower: a ratio of best times or of sums would tell something else.
    results = [
        result("lorag", "build", 0, 1.0),
        result("langchain", "build", 0, 3.0),
        result("lorag", "build", 1, 10.0),
        result("langchain", "build", 1, 20.0),
        result("lorag", "build", 2, 1.0),
        result("langchain", "build", 2, 4.0),
    ]
    rows = load_script().all_ratios(results)
    assert {(row["over"], row["phase"], row["unit"]) for row in rows} == {
        ("langchain", "build", "seconds"),
        ("langchain", "build", "cpu_s"),
    }
    assert {(row["min"], row["median"], row["max"]) for row in rows} == {(2.0, 3.0, 4.0)}


def test_systems_that_hold_different_rows_are_refused() -> None:
    script = load_script()
    results = [result("lorag", "update", 0, 1.0), result("llamaindex", "update", 0, 1.0, n_rows=4)]
    with pytest.raises(ValueError, match="different numbers of rows"):
        script.check_same_rows(results)
    # The encoder alone holds nothing; it embeds each distinct text once.
    script.check_same_rows([result("lorag", "build", 0, 1.0), result("raw", "build", 0, 1.0, n_rows=4)])


def test_the_parent_imports_nothing_heavy() -> None:
    # A child's peak memory begins with its parent's.
    imported = {line.split()[1] for line in SCRIPT.read_text().splitlines() if line.startswith(("import ", "from "))}
    assert not imported & {"numpy", "torch", "lancedb", "lorag"}
