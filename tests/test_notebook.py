"""docs/comparison.ipynb runs from the first cell to the last, and says what the report says."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1] / "docs"
CELLS = json.loads((DOCS / "comparison.ipynb").read_text(encoding="utf-8"))["cells"]


def test_it_runs_and_draws_the_break_even_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.chdir(DOCS)
    names: dict[str, Any] = {}
    shown = [run("".join(cell["source"]), names) for cell in CELLS if cell["cell_type"] == "code"]
    assert sum(isinstance(value, Figure) for value in shown) == 2
    rows = {row["pair"]: row for row in shown[-1].to_dict("records")}
    # As docs/figures.md has it; the first training, which is no update, would make the most 588.
    line = rows["rag and tuned"]
    assert [round(line[part]) for part in ("least", "questions an update", "most")] == [277, 279, 280]
    assert names["found"].missing == {}


def test_no_output_is_kept_in_it() -> None:
    kept = [cell for cell in CELLS if cell.get("outputs") or cell.get("execution_count")]
    assert kept == []


def run(source: str, names: dict[str, Any]) -> Any:
    """The value of the cell's last line, as a notebook shows it."""
    tree = ast.parse(source)
    if isinstance(last := tree.body[-1], ast.Expr):
        tree.body[-1] = ast.copy_location(ast.Assign([ast.Name("_shown", ast.Store())], last.value), last)
        ast.fix_missing_locations(tree)
    exec(compile(tree, "cell", "exec"), names)
    return names.pop("_shown", None)
