"""Measure what the engine's precision does to the answers: `exact` beside `int8`, on the same questions and contexts.

    .venv/bin/python benchmarks/precision.py [--questions 300] [--sets keda,...] [--model REFERENCE] [--json out.json]

Four sets of questions are answered by `rag` with both precisions: the sample, and, where the shared data is at hand,
SQuAD passages (xquad), Wikipedia and the documentation of KEDA. The table has the share of right answers, and the
difference with its 95 % interval, from a bootstrap over the questions. `int8` may become the default if no set falls by
more than its interval. The questions are taken by hash and choose nothing else.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from lorag.evaluation.answer_measures import is_right
from lorag.evaluation.answer_rows import read_answers
from lorag.use_cases.change_params import change_params
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
PRECISIONS = ("exact", "int8")
Rows = list[dict[str, Any]]


def main() -> None:
    """Answer every set twice and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--questions", type=int, default=300, help="of each set")
    parser.add_argument("--sets", help="their names, with commas between them; all if left out")
    parser.add_argument("--model", help="another language model, as in generation.model")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = []
    with tempfile.TemporaryDirectory(prefix="precision_") as folder:
        for name, documents, questions in sets_of_questions():
            if arguments.sets and name not in arguments.sets.split(","):
                continue
            found.append(measure(name, documents, questions, Path(folder) / name, arguments))
            print_row(found[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def sets_of_questions() -> Iterator[tuple[str, dict[str, str], Rows]]:
    """Yield the name of each set, its documents by their path, and its questions."""
    source = ROOT / "knowledge/v1/documents"
    sample = {path.relative_to(source).as_posix(): path for path in source.rglob("*") if path.suffix == ".md"}
    yield (
        "sample",
        {name: path.read_text("utf-8") for name, path in sample.items()},
        read_rows("knowledge/v1/questions"),
    )
    if not DATA.is_dir():
        print("the other sets need the folder shared/data beside the project")
        return
    yield from (
        of_data("xquad", "xquad_en", "questions", None),
        of_data("wikipedia", "wikipedia_snapshots_a", "questions_derived", "2025-01-01"),
        of_data("keda", "keda_2.13-2.15", "questions_derived", "2.15"),
    )


def of_data(name: str, folder: str, questions: str, version: str | None) -> tuple[str, dict[str, str], Rows]:
    """Return a set of the shared data, of one version if it has several."""
    rows = [json.loads(line) for line in (DATA / folder / "documents.jsonl").read_text("utf-8").splitlines()]
    rows = [row for row in rows if version is None or str(row.get("version")) == version]
    paths = {row["id"]: hashlib.sha256(row["id"].encode()).hexdigest()[:12] + ".md" for row in rows}
    documents = {paths[row["id"]]: f"# {row.get('title') or ''}\n\n{row['text']}\n" for row in rows}
    asked = [json.loads(line) for line in (DATA / folder / f"{questions}.jsonl").read_text("utf-8").splitlines()]
    kept = [
        {"id": row["id"], "question": row["question"], "answers": row["answers"], "gold_doc_ids": gold}
        for row in asked
        if (version is None or str(row.get("version")) == version) and row["answers"]
        for gold in [[paths[name] for name in row["gold_doc_ids"] if name in paths]]
        if gold
    ]
    return name, documents, kept


def read_rows(stem: str) -> Rows:
    """Return the lines of a questions file of the project."""
    return [json.loads(line) for line in (ROOT / f"{stem}.jsonl").read_text("utf-8").splitlines()]


def measure(
    name: str, documents: dict[str, str], questions: Rows, folder: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Return the shares of right answers, their difference and its interval, and the seconds of both precisions."""
    source = folder / "documents"
    for path, text in documents.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_text(text, encoding="utf-8")
    chosen = sorted(questions, key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())[: arguments.questions]
    asked = folder / "questions.jsonl"
    asked.write_text("".join(json.dumps(row) + "\n" for row in chosen), encoding="utf-8")
    lorag = [sys.executable, "-m", "lorag.cli"]
    place = Workspace(folder / "workspace")
    run([*lorag, "init", str(place.root), "--source", str(source), "--questions", str(asked)], folder)
    changes: dict[str, Any] = {"comparison": {"reading": False, "limit": None}, "gate": {"min_recall_at_10": 0.0}}
    if arguments.model:
        changes["generation"] = {"model": arguments.model}
    change_params(place.params_file, changes)
    run([*lorag, "--workspace", str(place.root), "refresh", "--json"], folder)
    right, seconds = {}, {}
    for precision in PRECISIONS:
        change_params(place.params_file, {"generation": {"precision": precision}})
        started = time.perf_counter()
        run([sys.executable, "-m", "lorag.stages", "answers", "rag"], place.root)
        seconds[precision] = time.perf_counter() - started
        rows = read_answers(place.answers / "rag" / "answers.jsonl")
        right[precision] = {row.question.id: is_right(row) for row in rows if row.question.topic == "fact"}
    names = sorted(right["exact"])
    pairs = np.array([[right[precision][each] for precision in PRECISIONS] for each in names], float)
    differences = pairs[:, 1] - pairs[:, 0]
    chance = np.random.default_rng(7)
    means = [differences[chance.integers(0, len(names), len(names))].mean() for _ in range(2_000)]
    low, high = np.quantile(means, [0.025, 0.975])
    return {
        "set": name,
        "n": len(names),
        "right": {precision: float(pairs[:, at].mean()) for at, precision in enumerate(PRECISIONS)},
        "difference": float(differences.mean()),
        "interval": [float(low), float(high)],
        "changed": int(np.abs(differences).sum()),
        "seconds": seconds,
    }


def run(command: list[str], folder: Path) -> str:
    """Run a command and return what it printed; its error ends the benchmark."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr[-2000:]}")
    return done.stdout


def print_row(row: dict[str, Any]) -> None:
    """Print one line of the table."""
    low, high = row["interval"]
    print(
        f"{row['set']:10} {row['n']:5} questions  exact {row['right']['exact']:.3f}  int8 {row['right']['int8']:.3f}  "
        f"difference {row['difference']:+.3f} ({low:+.3f} to {high:+.3f})  "
        f"{row['seconds']['exact']:.0f} s and {row['seconds']['int8']:.0f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
