"""Pairs of general knowledge, so that a model forgets less of it while it learns facts of a corpus."""

import json
from importlib import resources
from pathlib import Path

from lorag.answering.declining import DECLINE
from lorag.digests import digest_of
from lorag.questions.questions import Question, read_questions
from lorag.tuning.pairs import Pair, PairSource
from lorag.tuning.prompting import Ask

_FOLDER = resources.files("lorag.tuning") / "general"


def general_pairs(n: int, ask: Ask, *, seed: int) -> list[Pair]:
    """Return up to `n` pairs of general knowledge, drawn by hash; some have no known answer and are declined."""
    rows = [json.loads(line) for line in (_FOLDER / "replay.jsonl").read_text("utf-8").splitlines()]
    rows.sort(key=lambda row: digest_of([seed, "general", row["question"]]))
    return [
        Pair(
            PairSource.GENERAL,
            tuple(ask(row["question"])),
            row["answer"] or DECLINE,
            method="known" if row["answer"] else "unknowable",
        )
        for row in rows[:n]
    ]


def general_digest() -> str:
    """Return a digest of the packaged questions and answers."""
    return digest_of(sorted([item.name, item.read_text("utf-8")] for item in _FOLDER.iterdir() if item.is_file()))


def general_controls() -> list[Question]:
    """Return questions of general knowledge that are never trained on: a model must not forget their answers."""
    with resources.as_file(_FOLDER / "controls.jsonl") as path:
        return read_questions(Path(path))
