"""The Markdown of a comparison: every figure in a table that stays a table."""

import json
from pathlib import Path
from typing import Any

from lorag.costs.records import Cost, Use
from lorag.evaluation.answer_kinds import KINDS
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.questions.coverage import Coverage
from lorag.reports.comparison_markdown import summarise_comparison

SAMPLE = Path(__file__).parents[2] / "docs" / "reports" / "sample" / "comparison.json"


def result_of(*names: str) -> dict[str, Any]:
    """The published comparison as `lorag compare --json` prints one, with costs of one strategy."""
    found = json.loads(SAMPLE.read_text(encoding="utf-8"))
    empty = {"speed": None, "cost": None, "cost_source": None, "batch": None}
    strategies = {
        name: {"quality": found["strategies"][name], "ideal": found["strategies"].get(f"{name}_ideal"), **empty}
        for name in names
    }
    strategies[names[0]] |= {
        "speed": {"n_queries": 4, "p50_s": 1.25, "p95_s": 2.5, "ttft_p50_s": 0.5},
        "cost": Cost(Use(cpu_s=6.0, kwh=1e-5), 0.002, "EUR").to_json(),
        "cost_source": "streamed",
    }
    pairs = {f"{first} - {second}" for first in found["strategies"] for second in names}
    return {
        "release": "000001-abc",
        "limit": None,
        **{key: found[key] for key in ("questions", "confidence")},
        "strategies": strategies,
        "differences": {pair: value for pair, value in found["differences"].items() if pair in pairs},
        "left_out": {"tuned": "its adapter a|b\nwas never trained"},
        "notes": {},
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.replace("\\|", "").strip("|").split("|")]


def test_it_tells_measures_differences_costs_and_what_was_left_out() -> None:
    result = result_of("rag", "base")
    text = summarise_comparison(result)
    right = result["strategies"]["rag"]["quality"]["accuracy"]
    estimate = f"{right['value']:.2f} [{right['low']:.2f}, {right['high']:.2f}]"
    assert [line for line in text.splitlines() if line.startswith(f"| right | {estimate} |")]
    assert "| right, ideal search |" in text
    assert RULE_ERROR.line() in text.splitlines()
    assert "| rag | 4 one at a time | 0.50 | 1.25 | 2.50 | 1,500 | 0.0025 | 0.5000 EUR |" in text
    assert "| base | not measured |" in text
    assert "- tuned is left out: its adapter a\\|b was never trained" in text


def test_the_coverage_of_an_adapter_stands_below_its_figures() -> None:
    result = result_of("rag", "tuned")
    assert "asked in training" not in summarise_comparison(result), "an earlier version did not say it"
    result["strategies"]["rag"]["coverage"] = None
    result["strategies"]["tuned"]["coverage"] = Coverage(14, 75, 15, 880).to_json()
    rows = [cells(line) for line in summarise_comparison(result).splitlines() if "asked in training" in line]
    assert rows == [["documents asked in training", "", "18.7%"], ["chunks asked in training", "", "1.7%"]]


def test_the_kinds_of_answers_are_counted() -> None:
    result = result_of("rag", "base")
    assert "quoted, holds the answer" not in summarise_comparison(result), "an earlier version did not count them"
    result["strategies"]["rag"]["kinds"] = dict(zip(KINDS, (9, 1, 53, 12, 5), strict=True))
    text = summarise_comparison(result)
    assert [cells(line) for line in text.splitlines() if line.startswith("| quoted, holds the answer")] == [
        ["quoted, holds the answer", "53", ""]
    ]


def test_only_differences_whose_interval_leaves_out_zero_are_told() -> None:
    result = result_of("rag", "base")
    row = next(line for line in summarise_comparison(result).splitlines() if line.startswith("| rag - base |"))
    told = {
        name for name, found in result["differences"]["rag - base"].items() if found["low"] > 0 or found["high"] < 0
    }
    assert sum(bool(cell) for cell in cells(row)[1:]) == len(told) > 0
    assert "+0." in row
    assert "rag_ideal" not in summarise_comparison(result)
    alike = {"value": 0.0, "low": -0.1, "high": 0.1, "n": 9}
    result["differences"] = {"rag - base": {"accuracy": alike}}
    assert "No two strategies differ beyond chance." in summarise_comparison(result)


def test_each_row_has_as_many_cells_as_its_head() -> None:
    result = result_of("base", "hybrid")
    result["strategies"]["base|x"] = result["strategies"].pop("base")
    for block in summarise_comparison(result).split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(cells(line)) for line in lines}) <= 1
