"""How often rules for right answers are wrong: their verdicts beside the labels of labelled_answers.jsonl (tests).

    python benchmarks/labelled_answers.py                                            # the table of docs/figures.md
    python benchmarks/labelled_answers.py ANSWERS.jsonl --count 40 --output sheet.jsonl       # more answers to label

The second form draws answers to facts from a file that `lorag compare` wrote (artifacts/answers/STRATEGY/answers.jsonl)
and leaves `label` empty. The sheet does not say what any rule says, so that the label does not follow it.

Labels: `right`, a reader of the answer learns what was asked, as the page says it, and no other value for it; `partly`,
the answer has it, but also another value for it or not the whole of it, and counts as wrong; `wrong`, anything else,
also an answer that declines. A unit, a wording or a rounding that says the same is right.
"""

import argparse
import json
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lorag.answering.declining import is_declined
from lorag.answering.quotes import split_quote
from lorag.evaluation.answer_rows import read_answers
from lorag.evaluation.answers import contains_answer, exact_match, token_f1
from lorag.evaluation.question_set import Topic
from lorag.evaluation.rule_error import RuleError
from lorag.strategies import Strategy

LABELLED = Path(__file__).parents[1] / "tests" / "evaluation" / "labelled_answers.jsonl"

CONTAINS = "holds an accepted answer"
RULES: Mapping[str, Callable[[str, Sequence[str]], bool]] = {
    CONTAINS: contains_answer,
    "exact match": exact_match,
    "F1 of 0.5 or more": lambda answer, accepted: token_f1(answer, accepted) >= 0.5,
    "declines": lambda answer, accepted: not accepted and is_declined(answer),
}


def error_of(rule: str, rows: Sequence[Mapping[str, Any]]) -> RuleError:
    """Return the errors of a rule on labelled answers, judged as a comparison does, without the model's own quote."""
    verdicts = [RULES[rule](split_quote(row["answer"]).value, row["accepted"]) for row in rows]
    return RuleError.of(verdicts, [row["label"] == "right" for row in rows])


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the table of docs/figures.md: each rule on the answers drawn at random, and on the others."""
    of = {drawn: [row for row in rows if row["drawn"] == drawn] for drawn in ("random", "hard", "unanswerable")}
    parts = [("at random", rule, of["random"]) for rule in RULES if rule != "declines"]
    for strategy in Strategy:
        chosen = [row for row in of["random"] if row["strategy"] == strategy]
        parts.append((f"at random, `{strategy}`", CONTAINS, chosen))
    parts += [("hard cases", rule, of["hard"]) for rule in RULES if rule != "declines"]
    parts.append(("nothing answers", "declines", of["unanswerable"]))
    lines = ["| answers | rule | labelled | judged as labelled | wrong, passed | right, failed |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name, rule, chosen in parts:
        error = error_of(rule, chosen)
        found = error.accuracy
        share = f"{error.agreed} ({found.value:.1%}, {found.low:.1%} to {found.high:.1%})".replace("%", " %")
        lines.append(f"| {name} | {rule} | {len(chosen)} | {share} | {error.false_right} | {error.false_wrong} |")
    return lines


def draw(answers: Path, count: int, seed: int, output: Path) -> None:
    """Write answers to facts, drawn at random, each with an empty label."""
    rows = [row for row in read_answers(answers) if row.question.topic is Topic.FACT]
    sheet = [
        {
            "id": row.question.id,
            "strategy": answers.parent.name,
            "kind": row.answer.kind.value,
            "question": row.question.text,
            "accepted": list(row.question.accepted),
            "gold_documents": list(row.question.gold_documents),
            "answer": row.answer.text,
            "label": "",
            "why": "",
        }
        for row in random.Random(seed).sample(rows, min(count, len(rows)))
    ]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in sheet)
    output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("answers", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path, default=Path("sheet.jsonl"))
    given = parser.parse_args()
    if given.answers:
        draw(given.answers, given.count, given.seed, given.output)
    else:
        print("\n".join(table([json.loads(line) for line in LABELLED.read_text(encoding="utf-8").splitlines()])))
