"""Versions of a documentation whose values change, made from that of KEDA in ../shared/data."""

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

KEDA = Path(__file__).parents[2] / "shared/data/keda_2.13-2.15"
CHANGED, REMOVED = 1 / 6, 1 / 20
"""The shares of the facts that each version changes, and removes."""


def write_versions(folder: Path, n: int, n_facts: int, source: Path = KEDA, seed: int = 7) -> list[Path]:
    """Write `n` folders with `documents/` and `questions.jsonl`, and return them; the same arguments give the same.

    The facts are defaults of parameters that are numbers and stand in one line of one page. A changed fact has another
    number; a removed one loses its line and its question.
    """
    draw = random.Random(seed)
    pages = {path: path.read_text(encoding="utf-8") for path in _pages(source)}
    facts = _facts(source, pages)
    facts = dict(sorted(draw.sample(sorted(facts.items()), min(n_facts, len(facts)))))
    found = []
    for number in range(1, n + 1):
        if number > 1:
            names = sorted(facts)
            draw.shuffle(names)
            n_changed, n_removed = round(CHANGED * len(names)), round(REMOVED * len(names))
            for name in names[:n_changed]:
                facts[name] = _change(facts[name], pages, draw)
            for name in names[n_changed : n_changed + n_removed]:
                gone = facts.pop(name)
                pages[gone["page"]] = pages[gone["page"]].replace(gone["line"] + "\n", "")
        found.append(_write(folder / f"v{number}", pages, facts, source))
    return found


def _pages(source: Path) -> list[Path]:
    return sorted((source / "versions" / "2.13").rglob("*.md"))


def _facts(source: Path, pages: dict[Path, str]) -> dict[str, dict[str, Any]]:
    """Return the facts that can be edited: page, line, question and answer of each."""
    found = {}
    for text in (source / "questions_derived.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(text)
        if row["version"] != "2.13" or not row["answers"][0].isdigit() or "default value" not in row["question"]:
            continue
        page = source / "versions" / row["gold_doc_ids"][0].split("/", 1)[1]
        key, answer = row["fact_id"].split("#", 1)[1], row["answers"][0]
        stated = re.compile(rf"Default: ?`?{answer}`?[,)]")
        lines = [line for line in pages[page].splitlines() if f"`{key}`" in line and stated.search(line)]
        if len(lines) == 1 and pages[page].count(lines[0] + "\n") == 1:
            found[row["fact_id"]] = {"page": page, "line": lines[0], "question": row["question"], "answer": answer}
    return found


def _change(fact: dict[str, Any], pages: dict[Path, str], draw: random.Random) -> dict[str, Any]:
    answer = str(int(fact["answer"]) + draw.randint(2, 90))
    line = re.sub(rf"(Default: ?`?){fact['answer']}(`?[,)])", rf"\g<1>{answer}\g<2>", fact["line"])
    pages[fact["page"]] = pages[fact["page"]].replace(fact["line"] + "\n", line + "\n")
    return fact | {"line": line, "answer": answer}


def _write(folder: Path, pages: dict[Path, str], facts: dict[str, dict[str, Any]], source: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    root = source / "versions" / "2.13"
    for path, text in pages.items():
        target = folder / "documents" / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    rows = [_question(name, fact, fact["page"].relative_to(root).as_posix()) for name, fact in facts.items()]
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def _question(name: str, fact: dict[str, Any], page: str) -> dict[str, Any]:
    """Return a line of a questions file, with wordings to train on and one that is held out."""
    found = re.search(r"`(.+?)`.*\"(.+)\"", fact["question"])
    key, scaler = (found[1], found[2]) if found else ("", "")
    return {
        "id": name,
        "fact_id": name,
        "question": fact["question"],
        "answers": [fact["answer"]],
        "gold_doc_ids": [page],
        "phrasings": [
            f"Which value does `{key}` of the {scaler} scaler have if it is not set?",
            f"In the {scaler} scaler, what is `{key}` by default?",
        ],
        "held_out_phrasings": [f"If I leave out `{key}` for {scaler}, which value applies?"],
    }
