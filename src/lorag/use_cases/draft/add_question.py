"""The one writer of questions that a person accepted: each becomes a line of the questions file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lorag.errors import InputRejected
from lorag.questions.questions import read_questions
from lorag.releases.durable import naming


def add_question(path: Path, line: Mapping[str, Any]) -> None:
    """Append a line to the questions file; once this returns, it survives a power failure.

    Changes nothing if the file has a question of this id. Raises InputRejected if it has the same question under
    another id. The caller holds the lock of the drafts file.
    """
    known = read_questions(path) if path.is_file() else []
    if any(question.id == line["id"] for question in known):
        return
    if any(question.question == line["question"] for question in known):
        raise InputRejected(f"{line['question']!r} is there already", where=str(path), do="drop it, or edit it")
    before = path.read_bytes() if path.is_file() else b""
    text = json.dumps(line, ensure_ascii=False) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path), path.open("ab") as file:
        file.write((b"\n" if before and not before.endswith(b"\n") else b"") + text.encode("utf-8"))
        file.flush()
        os.fsync(file.fileno())
