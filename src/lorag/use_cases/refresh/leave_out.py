"""What a refresh leaves out because it was forgotten, and what it lets in again."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lorag.digests import sha256_hex
from lorag.errors import ParamsError
from lorag.knowledge.formats import Quarantine
from lorag.knowledge.formats.decoding import decode_text
from lorag.params import Params
from lorag.releases.forgotten import Forgotten, allow_again
from lorag.workspace import Workspace


def files_named(folder: Path, names: Iterable[str]) -> list[Path]:
    """Return the files of these documents below a folder; a name that leads out of it is that of a record."""
    inside = (name for name in names if not name.startswith("/") and ".." not in name.split("/"))
    # Unlike a Path, it takes a name that no file can have for one that is not there.
    return [folder / name for name in inside if os.path.isfile(folder / name)]


def let_in_again(documents: Iterable[str], workspace: Workspace, params: Params) -> None:
    """Take these documents out of the ledger, by name or by the content of their files: the next refresh reads them.

    Raises ParamsError for one that was not forgotten.
    """
    source = workspace.resolve(params.knowledge.origin or params.knowledge.source)
    for name in documents:
        contents = [sha256_hex(path.read_bytes()) for path in files_named(source, [name])]
        if not allow_again(workspace.state, name, contents):
            raise ParamsError(
                f"{name!r} was not forgotten", where="--allow-reingest", do="`lorag status` lists what is left out"
            )


def without_records(data: bytes, forgotten: Forgotten) -> bytes:
    """Return a `documents.jsonl` with an empty line for each forgotten record, so that the others keep their lines."""
    return _without(data, lambda record: isinstance(record.get("id"), str) and forgotten.names(record["id"]))


def without_questions(data: bytes, forgotten: Forgotten) -> bytes:
    """Return a questions file with an empty line for each question that cites a forgotten document."""
    return _without(data, lambda question: cites_forgotten(question, forgotten))


def cites_forgotten(question: Mapping[str, Any], forgotten: Forgotten) -> bool:
    """Whether a line of a questions file cites a forgotten document."""
    cited = question.get("gold_doc_ids")
    return isinstance(cited, list) and any(isinstance(name, str) and forgotten.names(name) for name in cited)


def _without(data: bytes, is_out: Callable[[Mapping[str, Any]], bool]) -> bytes:
    try:
        lines = _text(data).split("\n")
    except Quarantine:
        # Nobody can read it, so nothing of it is used.
        return data
    kept = ["" if _is(line, is_out) else line for line in lines]
    return data if kept == lines else "\n".join(kept).encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return decode_text(data).text


def _is(line: str, is_out: Callable[[Mapping[str, Any]], bool]) -> bool:
    try:
        value = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and is_out(value)
