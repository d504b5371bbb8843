"""Measure what a reader's answers are worth on documents and questions that the project did not write.

    .venv/bin/python benchmarks/readers.py [--sets xquad keda] [--questions 300] [--train 150] [--model REFERENCE]
                                           [--keep FOLDER] [--json out.json]

The documents of XQuAD (without the articles of the questions that nothing can answer) and of the KEDA documentation
become a workspace each. `rag`, and `hybrid` with an adapter that was trained on questions of other articles and pages,
answer the same test questions, as `lorag ask` would. The table says how many answers were generated or quoted, right or
wrong, and how many were declined; and how many can be read: at most two sentences, no repetition and no leftover of the
prompt. XQuAD has one wording per question, so the wordings for training and for the gate are made from it by fixed
patterns; the adapter is measured whether its gate passes it or not, and the verdict is printed. With `--train 0` only
`rag` is measured.
"""

# ruff: noqa: E402 - the folder of the peers must be on the path first.

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "benchmarks/peers")]

from answers import KEDA_VERSION, Case, read_keda, read_rows, read_xquad

from lorag.answering.citations import spans_of
from lorag.answering.ending import finish_text
from lorag.digests import sha256_hex
from lorag.evaluation.answer_kinds import kind_of
from lorag.evaluation.answer_rows import AnswerRow, write_answers
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.params_file import load_params
from lorag.questions.words import normalise
from lorag.strategies import AdapterKind, Strategy
from lorag.use_cases.asking.answer_questions import ask_with
from lorag.use_cases.asking.artifacts import load_wanted
from lorag.use_cases.change_params import change_params
from lorag.workspace import Workspace

KINDS = ("generated_right", "quoted_right", "generated_wrong", "quoted_wrong", "declined")
UNKNOWN_ARTICLES = 4
"""Articles of XQuAD that are left out of every workspace, so that nothing answers their questions."""

N_UNKNOWN = 60
TRAINING_PATTERNS = ("Please tell me: {}", "According to the documents, {}", "I need to know this. {}")
HELD_OUT_PATTERNS = ("Can you look this up? {}", "A colleague asks: {}")


@dataclass(frozen=True, slots=True)
class Set:
    """Documents by their path, the questions with their article or page, and the questions that nothing answers."""

    name: str
    documents: dict[str, str]
    cases: Sequence[Case]
    gold: dict[str, str]
    unknown: Sequence[str]

    def of_split(self, split: str, limit: int) -> list[Case]:
        """Return the questions of a half, at most `limit` of them, chosen by the hash of their words.

        A question that is asked of two passages, with different answers, is left out.
        """
        asked = Counter(normalise(case.question) for case in self.cases)
        once = [case for case in self.cases if case.split == split and asked[normalise(case.question)] == 1]
        return by_hash(once)[:limit]


def main() -> None:
    """Measure each set and print its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--sets", nargs="+", default=["xquad", "keda"], choices=["xquad", "keda"])
    parser.add_argument("--questions", type=int, default=300, help="test questions of each set")
    parser.add_argument("--train", type=int, default=150, help="training questions of each set; 0: rag alone")
    parser.add_argument("--model", help="another language model, as in generation.model")
    parser.add_argument("--precision", choices=["exact", "int8"], default="exact")
    parser.add_argument("--keep", type=Path, help="keep the workspaces in this folder, and go on in them")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: {arguments.data} is not on this machine")
        return
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="readers_") as folder:
        for each in read_sets(arguments.data):
            if each.name in arguments.sets:
                found += measure(each, (arguments.keep or Path(folder)) / each.name, arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def read_sets(data: Path) -> list[Set]:
    """Return both sets."""
    _, cases = read_xquad(data)
    rows = {row["id"]: row for row in read_rows(data / "xquad_en/documents.jsonl")}
    gold = {row["question"]: row["gold_doc_ids"][0] for row in read_rows(data / "xquad_en/questions.jsonl")}
    articles = {case.group: case for case in cases if case.split == "test"}
    left_out = {case.group for case in by_hash(list(articles.values()))[:UNKNOWN_ARTICLES]}
    unknown = [case.question for case in by_hash([case for case in cases if case.group in left_out])][:N_UNKNOWN]
    known = {name: row for name, row in rows.items() if row["title"] not in left_out}
    xquad = Set(
        "xquad",
        {f"{name}.md": f"# {row['title'].replace('_', ' ')}\n\n{row['text']}\n" for name, row in known.items()},
        [case for case in cases if case.group not in left_out],
        {question: f"{name}.md" for question, name in gold.items()},
        unknown,
    )
    source, cases = read_keda(data)
    keda = Set(
        "keda",
        {path.relative_to(source).as_posix(): path.read_text("utf-8") for path in sorted(source.rglob("*.md"))},
        cases,
        {case.question: case.group.removeprefix(f"keda/{KEDA_VERSION}/") for case in cases},
        unknown,
    )
    return [xquad, keda]


def by_hash(cases: Sequence[Case]) -> list[Case]:
    """Return the cases in the order of the hash of their questions."""
    return sorted(cases, key=lambda case: sha256_hex(case.question.encode()))


def measure(each: Set, folder: Path, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for each strategy."""
    place = Workspace(folder / "workspace")
    if not place.root.is_dir():
        prepare(each, place, folder, arguments)
    adapters: dict[Strategy, Path | None] = {Strategy.RAG: None}
    if arguments.train:
        lorag("retrain", "--adapter", "hybrid", "--anyway", "--json", at=place, fails=True)
        adapters[Strategy.HYBRID] = place.adapter_folder(AdapterKind.HYBRID)
        if not adapters[Strategy.HYBRID].is_dir():
            sys.exit("nothing was trained")
    params = load_params(place.params_file)
    test = each.of_split("test", arguments.questions)
    must_name = {case.question: case.must_name for case in test}
    asked = [question_of(case.question, Topic.FACT, case.answers) for case in test]
    asked += [question_of(text, Topic.UNANSWERABLE, ()) for text in each.unknown]
    rows = []
    for strategy, adapter in adapters.items():
        answered = ask_with(strategy, asked, load_wanted(place), adapter, place, params)
        write_answers(folder / f"answers_{strategy}.jsonl", answered)
        rows.append({"set": each.name, "strategy": strategy.value, **count(answered, must_name)})
        show(rows[-1])
    return rows


def prepare(each: Set, place: Workspace, folder: Path, arguments: argparse.Namespace) -> None:
    """Make the workspace with its index, and with the training questions of the other half."""
    for path, text in each.documents.items():
        (folder / "documents" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "documents" / path).write_text(text, encoding="utf-8")
    lines = [
        {
            "id": f"q-{at:04}",
            "question": case.question,
            "answers": list(case.answers),
            "gold_doc_ids": [each.gold[case.question]],
            "phrasings": [pattern.format(case.question) for pattern in TRAINING_PATTERNS],
            "held_out_phrasings": [pattern.format(case.question) for pattern in HELD_OUT_PATTERNS],
        }
        for at, case in enumerate(each.of_split("tuning", max(arguments.train, 8)), start=1)
    ]
    questions = folder / "questions.jsonl"
    questions.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    lorag("init", str(place.root), "--source", str(folder / "documents"), "--questions", str(questions))
    changes: dict[str, Any] = {"gate": {"min_recall_at_10": 0.0}, "generation": {"precision": arguments.precision}}
    if arguments.model:
        changes["generation"]["model"] = arguments.model
    change_params(place.params_file, changes)
    lorag("refresh", "--json", at=place)


def lorag(*words: str, at: Workspace | None = None, fails: bool = False) -> None:
    """Run a command; its error ends the benchmark, unless it `fails` where a gate refuses."""
    command = [sys.executable, "-m", "lorag.cli", *(["--workspace", str(at.root)] if at else []), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 4 and fails:
        print(done.stderr.strip().splitlines()[-1])
    elif done.returncode:
        sys.exit(f"{' '.join(words)}\n{done.stderr[-2000:]}")


def question_of(text: str, topic: Topic, accepted: Sequence[str]) -> SetQuestion:
    """Return a question as a comparison asks it."""
    name = sha256_hex(text.encode())[:12]
    return SetQuestion(name, topic, name, topic.value, text, tuple(accepted))


def count(rows: Sequence[AnswerRow], must_name: dict[str, str]) -> dict[str, Any]:
    """Return the numbers of answers of each kind, of those that can be read, and of unanswerable ones declined."""
    kinds: dict[str, int] = defaultdict(int)
    for row in rows:
        if row.question.topic is Topic.FACT:
            kind = kind_of(row)
            # A row of a table of parameters answers only if it is about the parameter of the question.
            if kind == "quoted_right" and must_name[row.question.text] not in row.answer.text:
                kind = "quoted_wrong"
            kinds[kind] += 1
    unknown = [row for row in rows if row.question.topic is Topic.UNANSWERABLE]
    return {
        "questions": sum(kinds.values()),
        **{kind: kinds[kind] for kind in KINDS},
        "readable": sum(is_readable(row) for row in rows if row.question.topic is Topic.FACT),
        "unknown": len(unknown),
        "unknown_declined": sum(kind_of(row) == "declined" for row in unknown),
    }


def is_readable(row: AnswerRow) -> bool:
    """Whether an answer is at most two sentences, or a list or code, without repetition or leftover of the prompt."""
    text = row.answer.text.strip()
    sentences = len(list(spans_of(text)))
    lines = [line.lstrip() for line in text.splitlines()]
    structured = "```" in text or all(line[:1] in "-*|" or line[:1].isdigit() for line in lines)
    return bool(text) and finish_text(text, cut_off=False) == text and (sentences <= 2 or structured)


def show(row: dict[str, Any]) -> None:
    """Print a row in Markdown."""
    n, kinds = row["questions"], [row[kind] for kind in KINDS]
    right = binomtest(kinds[0] + kinds[1], n).proportion_ci(method="wilson")
    print(
        f"| {row['set']} | {row['strategy']} | {n} | "
        + " | ".join(f"{value / n:.1%}" for value in kinds)
        + f" | {(kinds[0] + kinds[1]) / n:.1%} ({right.low:.1%} to {right.high:.1%}) | {row['readable'] / n:.1%}"
        + f" | {row['unknown_declined']} of {row['unknown']} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
