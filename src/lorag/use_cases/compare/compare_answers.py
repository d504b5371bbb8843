"""The answers of all strategies in one comparison: metrics, table and plot for DVC."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lorag.errors import IntegrityFailed, WorkspaceError
from lorag.evaluation.answer_rows import AnswerRow, read_answers
from lorag.evaluation.bootstrap import Bootstrap
from lorag.evaluation.by_question import list_answered, write_questions
from lorag.evaluation.comparison import BESIDE, IDEAL, READING, Comparison, compare_answers, is_variant
from lorag.knowledge.artifacts import read_chunks
from lorag.params import Params
from lorag.use_cases.asking.answer_questions import ANSWERS, BESIDE_ANSWERS, IDEAL_ANSWERS, READING_ANSWERS
from lorag.workspace import Workspace

_VARIANTS = {IDEAL: IDEAL_ANSWERS, READING: READING_ANSWERS, BESIDE: BESIDE_ANSWERS}


def load_answers(folder: Path, params: Params) -> dict[str, list[AnswerRow]]:
    """Return answers by strategy: those of params that have answered, then the variants with some of the questions.

    Raises WorkspaceError if no strategy has answered, and IntegrityFailed if they answered different questions.
    """
    names: list[str] = [name for name in params.comparison.strategies if (folder / name / ANSWERS).is_file()]
    if not names:
        raise WorkspaceError("no strategy has answered", where=str(folder), do="run `lorag compare`")
    answers = {name: read_answers(folder / name / ANSWERS) for name in names}
    for name in names[1:]:
        if [row.question for row in answers[name]] != [row.question for row in answers[names[0]]]:
            raise IntegrityFailed(
                f"{names[0]} and {name} answered other questions", where=str(folder), do="run `lorag compare`"
            )
    files = {f"{n}{variant}": folder / n / file for variant, file in _VARIANTS.items() for n in names}
    variants = {name: read_answers(path) for name, path in files.items() if path.is_file()}
    return {**answers, **{name: rows for name, rows in variants.items() if rows}}


def compare(folder: Path, workspace: Workspace, params: Params) -> Comparison:
    """Compare the answers in `folder` side by side."""
    bootstrap = Bootstrap(params.comparison.bootstrap_samples, params.comparison.confidence, params.comparison.seed)
    chunks = {chunk.id: chunk for chunk in read_chunks(workspace.chunks_file)}
    return compare_answers(load_answers(folder, params), chunks, params.evaluation.k, bootstrap)


def write_comparison(comparison: Comparison, reports: Path) -> None:
    """Write comparison.json and .csv with all figures, summary.json with a few, comparison_accuracy.csv for a plot."""
    reports.mkdir(parents=True, exist_ok=True)
    for name, value in (("comparison.json", comparison.to_json()), ("summary.json", comparison.summary())):
        text = json.dumps(value, indent=2, sort_keys=True)
        (reports / name).write_text(text + "\n", encoding="utf-8")
    _write_csv(reports / "comparison.csv", list(comparison.table()))
    accuracy = [
        {"strategy": name, "accuracy": figures["accuracy"].value if "accuracy" in figures else ""}
        for name, figures in comparison.strategies.items()
    ]
    _write_csv(reports / "comparison_accuracy.csv", accuracy)


def write_by_question(workspace: Workspace, params: Params) -> None:
    """Write comparison_questions.jsonl: which strategy answered each question as wanted."""
    answers = load_answers(workspace.answers, params)
    served = {name: rows for name, rows in answers.items() if not is_variant(name)}
    write_questions(workspace.answered_questions, list_answered(served))


def _write_csv(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
