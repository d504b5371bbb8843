"""A part of a version of the sample knowledge base, small enough for a training that one can wait for."""

import json
import shutil
from pathlib import Path

DOCUMENTS = ("fleet/", "harbour/waste-reception.md", "people/lone-working.txt")
"""The documents of the slice: between versions 1 and 2 some change, one is removed and one is added."""


def cut_slice(version: Path, folder: Path) -> int:
    """Copy the documents of the slice and the questions that need no others; return the number of questions."""
    shutil.rmtree(folder, ignore_errors=True)
    source = version / "documents"
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source).as_posix()
        if path.is_file() and name.startswith(DOCUMENTS):
            (folder / "documents" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / "documents" / name)
    lines = (version / "questions.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if all(name.startswith(DOCUMENTS) for name in json.loads(line)["gold_doc_ids"])]
    (folder / "questions.jsonl").write_text("".join(kept), encoding="utf-8")
    return len(kept)
