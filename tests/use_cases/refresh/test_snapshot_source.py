import os
from pathlib import Path

from lorag.integrations.blob_cache import BlobCache
from lorag.knowledge.changes import compare_versions
from lorag.params import KnowledgeParams
from lorag.params_file import load_params
from lorag.use_cases.refresh.pipeline import read_source
from lorag.use_cases.refresh.snapshot_source import Snapshot, snapshot_folder

ODD_NAMES = {
    b"line\nbreak.md": r"line\x0abreak.md",
    rb"line\x0abreak.md": r"line\\x0abreak.md",
    rb"back\slash.md": r"back\\slash.md",
    b"not utf-8 \xff.md": r"not utf-8 \udcff.md",
    b"plain.md": "plain.md",
}


ROOT = Path(__file__).parents[3]


def knowledge() -> KnowledgeParams:
    return load_params(ROOT / "params.yaml").knowledge


def test_a_copy_gives_the_ids_of_its_origin(tmp_path: Path) -> None:
    """Else each name with a backslash would be another document in the served release than in the source."""
    origin, copy, second = tmp_path / "origin", tmp_path / "copy", tmp_path / "second"
    origin.mkdir()
    for number, name in enumerate(ODD_NAMES):
        with open(os.path.join(os.fsencode(origin), name), "w", encoding="utf-8") as file:
            file.write(f"# Page {number}\n\nHere stands sentence number {number}.\n")
    snapshot_folder(origin, copy, knowledge())
    snapshot_folder(copy, second, knowledge())
    versions = []
    with BlobCache(tmp_path / "cache.sqlite") as cache:
        for folder in (origin, copy, second):
            corpus = read_source(folder, knowledge(), cache)
            versions.append({document.id: document.version for document in corpus.documents})
    assert set(versions[0]) == set(ODD_NAMES.values())
    assert compare_versions(versions[0], versions[1]).is_empty
    assert versions[1] == versions[2]
    assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=0, deleted=0), "twice is once"
