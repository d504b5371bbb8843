import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lorag.errors import InputRejected, ParamsError
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.parsing.source_folder import REJECTED_FILE
from lorag.knowledge.artifacts import read_rejected
from lorag.knowledge.changes import compare_versions
from lorag.params import KnowledgeParams
from lorag.params_file import load_params
from lorag.use_cases.refresh import snapshot_source, steps
from lorag.use_cases.refresh.pipeline import read_source
from lorag.use_cases.refresh.snapshot_source import (
    COPIED_FILE,
    Snapshot,
    refuse_overlaps,
    snapshot_file,
    snapshot_folder,
)
from lorag.workspace import Workspace

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


def plant(folder: Path, tree: Mapping[str, str]) -> Path:
    for name, text in tree.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def everything_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def documents_in(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in everything_in(folder).items() if not name.startswith(".")}


OWN = {".env": "KEY=1", ".git/HEAD": "ref: refs/heads/main", "photo.png": "PNG", "a.md": "# A", "sub/b.md": "# B"}
OVERLAPS = {
    "the origin itself": {"source": "docs", "origin": "docs"},
    "the origin by another name": {"source": "docs", "origin": "docs/../docs/."},
    "the origin by a link": {"source": "link", "origin": "docs"},
    "a link to the origin": {"source": "docs", "origin": "link"},
    "inside the origin": {"source": "docs/copy", "origin": "docs"},
    "inside the origin, by a link": {"source": "link/copy", "origin": "docs"},
    "around the origin": {"source": "docs", "origin": "docs/sub"},
    "around one file that is the origin": {"source": "docs", "origin": "docs/a.md"},
    "the workspace": {"source": ".", "origin": "../elsewhere"},
    "the workspace, read in place": {"source": ".", "origin": None},
    "a folder around the workspace": {"source": "..", "origin": None},
    "a copy outside the workspace": {"source": "../other", "origin": "../elsewhere"},
    "a copy outside the workspace by a link": {"source": "out", "origin": "../elsewhere"},
    "an origin that holds the workspace": {"source": "data/source", "origin": ""},
    "the questions themselves": {"questions": "docs/a.md", "questions_origin": "docs/a.md"},
    "the questions by a link": {"questions": "link/a.md", "questions_origin": "docs/a.md"},
    "the questions by a hard link": {"questions": "hard.jsonl", "questions_origin": "docs/a.md"},
    "questions inside the copy": {
        "source": "data/source",
        "origin": "../elsewhere",
        "questions": "data/source/questions.jsonl",
        "questions_origin": "../questions.jsonl",
    },
    "a copy of questions outside the workspace": {"questions": "../q.jsonl", "questions_origin": "../questions.jsonl"},
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a folder of its owner, links to that and to a folder outside, and an origin outside."""
    root = tmp_path / "w"
    plant(root / "docs", OWN)
    (root / "link").symlink_to(root / "docs")
    (root / "hard.jsonl").hardlink_to(root / "docs" / "a.md")
    plant(tmp_path / "elsewhere", {"c.md": "# C"})
    plant(tmp_path / "other", {"d.md": "# D"})
    (root / "out").symlink_to(tmp_path / "other")
    return Workspace(root)


def settings(**changes: str | None) -> KnowledgeParams:
    apart = {"source": "data/source", "origin": None, "questions": "data/q.jsonl", "questions_origin": None}
    return knowledge().model_copy(update={**apart, **changes})


@pytest.mark.parametrize("case", OVERLAPS)
def test_a_copy_of_the_knowledge_over_itself_is_refused(case: str, workspace: Workspace) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml: knowledge\.") as caught:
        refuse_overlaps(workspace, settings(**OVERLAPS[case]))
    assert len(caught.value.line().splitlines()) == 1


def test_a_refresh_over_its_own_source_touches_nothing(workspace: Workspace) -> None:
    before = everything_in(workspace.root)
    params = load_params(ROOT / "params.yaml").model_copy(update={"knowledge": settings(source="docs", origin="docs")})
    with pytest.raises(ParamsError):
        steps.snapshot(workspace, params)
    assert everything_in(workspace.root) == before


def test_folders_apart_are_let_through(workspace: Workspace) -> None:
    refuse_overlaps(workspace, settings(origin="../elsewhere", questions_origin="../elsewhere/questions.jsonl"))
    refuse_overlaps(workspace, settings(source="docs", questions="docs/questions.jsonl"))
    refuse_overlaps(workspace, settings(source="../elsewhere", questions="../elsewhere/questions.jsonl"))
    refuse_overlaps(workspace, settings(origin="docs", questions_origin="docs/questions.jsonl"))


def test_only_what_a_refresh_copied_is_ever_deleted(tmp_path: Path) -> None:
    origin, copy = plant(tmp_path / "origin", {"a.md": "# A", "sub/b.md": "# B", "c.md": "# C"}), tmp_path / "copy"
    snapshot_folder(origin, copy, knowledge())
    own = {".env": "KEY=1", ".git/HEAD": "ref", "photo.png": "PNG", "sub/.draft.md": "# D", "notes": "mine"}
    plant(copy, own)
    (copy / ".git" / "refs").mkdir()
    (origin / "a.md").unlink()
    (origin / "sub" / "b.md").unlink()
    assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=0, deleted=2)
    assert everything_in(copy).keys() - {COPIED_FILE, REJECTED_FILE} == {*own, "c.md"}
    assert (copy / ".git" / "refs").is_dir()


FOREIGN: Mapping[str, Callable[[Path], object]] = {
    "a document of another owner": lambda copy: plant(copy, {"own.md": "# Mine"}),
    "a document under a name that the origin has": lambda copy: plant(copy, {"c.md": "# Mine"}),
    "a picture where a folder should be": lambda copy: plant(copy, {"pictures.md": "PNG"}),
    "a file where a folder should be": lambda copy: plant(copy, {"sub": "mine"}),
    "a folder where a file should be": lambda copy: plant(copy, {"c.md/photo.png": "PNG"}),
    "a link where a folder should be": lambda copy: (copy / "sub").symlink_to(copy.parent / "away"),
    "a link where a file should be": lambda copy: (copy / "c.md").symlink_to(copy.parent / "away" / "b.md"),
}


@pytest.mark.parametrize("copied_before", [True, False])
@pytest.mark.parametrize("case", FOREIGN)
def test_files_that_no_refresh_copied_are_neither_replaced_nor_indexed(
    case: str, copied_before: bool, tmp_path: Path
) -> None:
    origin, copy = plant(tmp_path / "origin", {"a.md": "# A"}), tmp_path / "copy"
    plant(tmp_path / "away", {"b.md": "# Elsewhere"})
    copy.mkdir()
    if copied_before:
        snapshot_folder(origin, copy, knowledge())
    FOREIGN[case](copy)
    before = everything_in(tmp_path)
    plant(origin, {"sub/b.md": "# B", "c.md": "# C", "pictures.md/x.md": "# X"})
    with pytest.raises(InputRejected, match="not copied here by a refresh") as caught:
        snapshot_folder(origin, copy, knowledge())
    assert len(caught.value.line().splitlines()) == 1
    (origin / "sub" / "b.md").unlink()
    (origin / "c.md").unlink()
    (origin / "pictures.md" / "x.md").unlink()
    assert everything_in(tmp_path) == before


def test_a_folder_without_documents_may_take_a_copy(tmp_path: Path) -> None:
    origin = plant(tmp_path / "origin", {"a.md": "# A"})
    copy = plant(tmp_path / "copy", {".gitkeep": "", "photo.png": "PNG"})
    assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=1, deleted=0)
    assert {".gitkeep", "photo.png", "a.md"} < everything_in(copy).keys()


def test_a_copy_of_an_earlier_version_is_known_by_its_list_of_the_rejected(tmp_path: Path) -> None:
    """That version kept no list of what it copied, but left nothing else in the folder."""
    origin = plant(tmp_path / "origin", {"a.md": "# A", "b.md": "# B, edited"})
    copy = plant(tmp_path / "copy", {"b.md": "# B", "sub/gone.md": "# Gone", "photo.png": "PNG", ".env": "KEY=1"})
    (copy / REJECTED_FILE).touch()
    assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=2, deleted=1)
    assert everything_in(copy).keys() - {COPIED_FILE, REJECTED_FILE} == {"a.md", "b.md", "photo.png", ".env"}
    assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=0, deleted=0)


def test_a_copy_that_was_broken_off_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin, copy = plant(tmp_path / "origin", {"a.md": "# A", "b.md": "# B"}), tmp_path / "copy"
    with monkeypatch.context() as broken:
        broken.setattr(snapshot_source, "write_rejected", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            snapshot_folder(origin, copy, knowledge())
    assert documents_in(copy).keys() == {"a.md", "b.md"}
    (origin / "b.md").unlink()
    assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=0, deleted=1)
    assert documents_in(copy).keys() == {"a.md"}


SWAPS = {
    "at the top": ({"a.md": "# A"}, {"a.md/b.md": "# B"}),
    "below a folder": ({"x/y/a.md": "# A", "x/z.md": "# Z"}, {"x/y/a.md/b.md": "# B", "x/z.md": "# Z"}),
    "two levels deep": ({"a.md": "# A"}, {"a.md/b.md/c.md": "# C", "a.md/d.md": "# D"}),
}


@pytest.mark.parametrize("reverse", [False, True], ids=["file to folder", "folder to file"])
@pytest.mark.parametrize("case", SWAPS)
def test_faults_13_a_file_and_a_folder_may_take_each_others_name(case: str, reverse: bool, tmp_path: Path) -> None:
    before, after = reversed(SWAPS[case]) if reverse else SWAPS[case]
    copy = tmp_path / "copy"
    snapshot_folder(plant(tmp_path / "before", before), copy, knowledge())
    snapshot_folder(plant(tmp_path / "after", after), copy, knowledge())
    assert documents_in(copy) == {name: text.encode() for name, text in after.items()}


def test_a_file_that_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    origin, copy = plant(tmp_path / "origin", {"a.md": "# A"}), plant(tmp_path / "copy", {"sub/.snapshot.tmp": "# "})
    snapshot_folder(origin, copy, knowledge())
    assert everything_in(copy).keys() == {"a.md", COPIED_FILE, REJECTED_FILE}


def test_a_file_takes_no_copy_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputRejected, match="no folder to copy into"):
        snapshot_folder(plant(tmp_path / "o", {"a.md": "# A"}), plant(tmp_path, {"b.md": "# B"}) / "b.md", knowledge())
    assert (tmp_path / "b.md").read_text() == "# B"


def test_an_empty_folder_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "copy" / "a.md" / "empty").mkdir(parents=True)
    assert snapshot_folder(plant(tmp_path / "o", {"a.md": "# A"}), tmp_path / "copy", knowledge()).copied == 1


def test_names_that_are_too_long_when_escaped_are_rejected(tmp_path: Path) -> None:
    long = "\\" * 130
    origin = plant(tmp_path / "origin", {"a.md": "# A", f"{long}.md": "# Long", f"{long}/b.md": "# Long folder"})
    snapshot_folder(origin, tmp_path / "copy", knowledge())
    assert documents_in(tmp_path / "copy").keys() == {"a.md"}
    assert [item.detail for item in read_rejected(tmp_path / "copy" / REJECTED_FILE)] == [
        "a name too long to be kept"
    ] * 2


def test_questions_of_another_owner_are_not_overwritten(tmp_path: Path) -> None:
    origin, copy = plant(tmp_path, {"new.jsonl": "new"}) / "new.jsonl", tmp_path / "questions.jsonl"
    copy.touch()
    assert snapshot_file(origin, copy) == Snapshot(copied=1, deleted=0), "nothing is lost in an empty file"
    assert snapshot_file(origin, copy) == Snapshot(copied=0, deleted=0)
    copy.write_text("mine")
    with pytest.raises(InputRejected, match="not copied here by a refresh"):
        snapshot_file(origin, copy)
    assert copy.read_text() == "mine"
    (tmp_path / "questions.jsonl.dvc").touch()
    assert snapshot_file(origin, copy).copied == 1


def ids_in(folder: Path, cache: BlobCache) -> dict[str, tuple[str, ...]]:
    return {document.id: document.sources for document in read_source(folder, knowledge(), cache).documents}


def test_strangers_15_a_second_copy_does_not_take_over_the_id(tmp_path: Path) -> None:
    """Else every citation of the first, and every question about it, would name another page from then on."""
    origin, copy = plant(tmp_path / "origin", {"m.md": "# Berth 4\n", "n.md": "# Other\n"}), tmp_path / "copy"
    with BlobCache(tmp_path / "cache.sqlite") as cache:
        snapshot_folder(origin, copy, knowledge())
        plant(origin, {"a.md": "# Berth 4\n", "z.md": "# Berth 4\n"})
        snapshot_folder(origin, copy, knowledge())
        assert ids_in(copy, cache) == {"m.md": ("m.md", "a.md", "z.md"), "n.md": ("n.md",)}
        assert snapshot_folder(origin, copy, knowledge()) == Snapshot(copied=0, deleted=0), "twice is once"
        assert ids_in(copy, cache)["m.md"] == ("m.md", "a.md", "z.md")
        (origin / "m.md").unlink()
        snapshot_folder(origin, copy, knowledge())
        assert set(ids_in(copy, cache)) == {"a.md", "n.md"}, "a file that is gone names nothing"


def test_of_copies_that_come_together_the_first_name_is_the_id(tmp_path: Path) -> None:
    origin = plant(tmp_path / "origin", {"b.md": "# Same\n", "a.md": "# Same\n"})
    snapshot_folder(origin, tmp_path / "copy", knowledge())
    with BlobCache(tmp_path / "cache.sqlite") as cache:
        assert ids_in(tmp_path / "copy", cache) == {"a.md": ("a.md", "b.md")}
