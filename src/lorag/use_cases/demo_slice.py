"""A part of a version of the sample knowledge base, small enough to train on while one waits."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from lorag.params import load_params

DOCUMENTS = ("fleet/", "harbour/waste-reception.md", "people/lone-working.txt")
"""Of these some change, one goes and one comes between versions 1 and 2."""


def cut_slice(version: Path, folder: Path) -> int:
    """Copies the documents of the slice, and the questions that they alone answer; returns how many questions."""
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


def change_params(params_file: Path, changes: Mapping[str, Any]) -> None:
    """Writes values into params.yaml, its comments kept; raises ParamsError for one that is not allowed."""
    yaml = YAML()
    yaml.width = 200
    tree = yaml.load(params_file.read_text(encoding="utf-8"))
    _merge(tree, changes)
    with params_file.open("w", encoding="utf-8") as file:
        yaml.dump(tree, file)
    load_params(params_file)


def _merge(tree: Any, changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, Mapping):
            _merge(tree[name], value)
        else:
            tree[name] = value
