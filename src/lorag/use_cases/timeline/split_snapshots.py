"""The split of files that hold several versions into one folder per version."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorag.errors import InputRejected
from lorag.questions.questions import parse_json, question_lines
from lorag.use_cases.timeline.timeline_walk import Version

Record = Mapping[str, Any]


def split_snapshots(documents: Path, questions: Path, into: Path) -> list[Version]:
    """Return the versions that the lines of two JSONL files name by `version`, in the order of their names.

    A document's `page`, if given, is its id in all versions, and questions refer to it by that. Raises InputRejected
    for a line without a version, and if a version has no documents or no questions.
    """
    pages: dict[str, str] = {}
    texts: dict[str, list[Record]] = {}
    for record, where in _records(documents):
        name = str(record.get("page") or record.get("id"))
        pages[str(record.get("id"))] = name
        # The version's name is not part of the document: with it, every document would change in every version.
        kept = {key: value for key, value in record.items() if key not in ("version", "page")}
        texts.setdefault(_version(record, where), []).append({**kept, "id": name})
    asked: dict[str, list[Record]] = {}
    for record, where in _records(questions):
        gold = [pages.get(name, name) for name in record.get("gold_doc_ids", ())]
        asked.setdefault(_version(record, where), []).append({**record, "gold_doc_ids": gold})
    if texts.keys() != asked.keys():
        one = min(texts.keys() ^ asked.keys())
        raise InputRejected(
            f"version {one} has no {'questions' if one in texts else 'documents'}",
            where=str((questions if one in texts else documents).name),
            do="give both files the same versions",
        )
    return [_write(name, texts[name], asked[name], into / f"{at:02}") for at, name in enumerate(sorted(texts))]


def snapshot_files(folder: Path) -> tuple[Path, Path]:
    """Return the documents.jsonl and the questions file of a folder; raise InputRejected if one is missing."""
    questions = sorted(folder.glob("questions*.jsonl"))
    if not (folder / "documents.jsonl").is_file() or len(questions) != 1:
        raise InputRejected(
            f"expected documents.jsonl and one questions*.jsonl, found {len(questions)} of the latter",
            where=str(folder),
            do="name a folder with both",
        )
    return folder / "documents.jsonl", questions[0]


def _records(path: Path) -> list[tuple[Record, str]]:
    found: list[tuple[Record, str]] = []
    for where, line in question_lines(path):
        try:
            value = parse_json(line)
        except ValueError as error:
            raise InputRejected(f"bad JSON: {error}", where=where, do="fix the line") from None
        if not isinstance(value, dict):
            raise InputRejected("no JSON object", where=where, do="fix the line")
        found.append((value, where))
    return found


def _version(record: Record, where: str) -> str:
    if not record.get("version"):
        raise InputRejected("no version", where=where, do="name the version of each line")
    return str(record["version"])


def _write(name: str, documents: list[Record], questions: list[Record], folder: Path) -> Version:
    folder.mkdir(parents=True, exist_ok=True)
    version = Version(name, folder / "documents.jsonl", folder / "questions.jsonl")
    for path, records in ((version.documents, documents), (version.questions, questions)):
        lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        path.write_text("".join(lines), encoding="utf-8", newline="\n")
    return version
