"""Files as a power loss may leave them: empty, cut, with zeros in their last block, or never renamed."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lorag.errors import IntegrityFailed, LoragError
from lorag.integrations.lancedb.files import manifest_path
from lorag.params import Params
from lorag.params_file import load_params
from lorag.releases.adapter_shelf import CONFIG, SUMS, WEIGHTS
from lorag.releases.audit import AUDIT, HEAD
from lorag.releases.record import Release
from lorag.releases.shelf import POINTER, ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.manage_releases import check_releases, mend_releases
from lorag.use_cases.serve.search import search_workspace
from lorag.use_cases.serve.serve import open_served
from lorag.workspace import Workspace
from tests.faults.works import copied, refresh, retrain

FULL = pytest.mark.full
BLOCK = 4_096
OLD, NEW = "8.40", "9.10"
"""The depths that the release before tells, and the last one."""


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def with_zeros(content: bytes) -> bytes:
    """The content with zeros in its last block of the disk."""
    whole = (len(content) - 1) // BLOCK * BLOCK
    return content[:whole] + bytes(len(content) - whole)


TORN: Mapping[str, Callable[[bytes], bytes]] = {"empty": lambda _: b"", "cut": cut, "zeros": with_zeros}


@dataclass(frozen=True)
class Published:
    """A workspace whose last release was just published, its state then, and the state before."""

    workspace: Workspace
    before: Path
    after: Path

    def tear(self, name: str, how: str) -> Path:
        """Bring the state back as it was published, then damage one file below it; return its path."""
        state = self.workspace.state
        shutil.rmtree(state)
        shutil.copytree(self.after, state)
        path, earlier = state / name, self.before / name
        content = path.read_bytes()
        if how != "not renamed":
            path.write_bytes(TORN[how](content))
            return path
        path.with_name(f".{path.name}.tmp").write_bytes(content)
        path.unlink()
        if earlier.exists():
            shutil.copyfile(earlier, path)
        return path

    @property
    def params(self) -> Params:
        return load_params(self.workspace.params_file)

    @property
    def release(self) -> Release:
        return ReleaseShelf(self.after).releases()[0]

    def found(self) -> tuple[str, str | None]:
        """The depth that a search tells, and what it fell back from."""
        outcome = search_workspace("How deep is berth 4?", self.workspace, self.params, {}, top_k=1)
        return outcome.hits[0].chunk.text.split()[7], outcome.fell_back_from

    def problems(self) -> str:
        checks = check_releases(self.workspace, self.params, {})
        return "\n".join(f"{check.name}: {check.problem}" for check in checks if check.problem)


def published_by(work: Callable[[Workspace], None], made: Path, folder: Path) -> Published:
    """A copy of the workspace, and the release that the work publishes."""
    workspace = copied(made, folder / "published")
    published = Published(workspace, folder / "before", folder / "after")
    shutil.copytree(workspace.state, published.before)
    work(workspace)
    # A search makes what it needs beside the release.
    published.found()
    assert published.problems() == ""
    shutil.copytree(workspace.state, published.after)
    return published


@pytest.fixture(scope="module")
def refreshed(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published_by(refresh, made, tmp_path_factory.mktemp("refreshed"))


@pytest.fixture(scope="module")
def retrained(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    return published_by(retrain, made, tmp_path_factory.mktemp("retrained"))


RECORD, MANIFEST, DATA, INDEX_SUMS, WORDS, WORD_LIST = "record", "manifest", "data", "sums", "words", "list of words"
NAMED, RELEASE, LEFT = "named", "release", "left as before"
"""`lorag doctor` names the file; or its release; or what is there is the state before, and nothing is damaged."""

OF_A_REFRESH: Mapping[str, tuple[str, str]] = {
    # The file: what a search then tells, and what is said if it was not renamed. A damaged file is always named.
    RECORD: (OLD, NAMED),
    POINTER: (NEW, LEFT),
    MANIFEST: (OLD, RELEASE),
    DATA: (OLD, NAMED),
    # No search reads them.
    INDEX_SUMS: (NEW, LEFT),
    AUDIT: (NEW, NAMED),
    HEAD: (NEW, LEFT),
    # They are made again from the rows.
    WORDS: (NEW, NAMED),
    WORD_LIST: (NEW, LEFT),
}
ALWAYS = (RECORD, POINTER, MANIFEST, DATA)
"""Those that `make test` tears."""


def path_of(kind: str, made: Published) -> str:
    """The file of the last release alone, below the folder of the state."""
    release, state = made.release, made.after
    table = state / "lancedb" / f"{release.index.name}.lance"
    new = {
        RECORD: lambda: state / "releases" / f"{release.id}.json",
        MANIFEST: lambda: manifest_path(table, release.index.version),
        DATA: lambda: _only_new(made, "lancedb", "*.lance/data/*"),
        INDEX_SUMS: lambda: table.with_name(f"{table.name}.sums.json"),
        WORDS: lambda: _only_new(made, "words", "*.words"),
        WORD_LIST: lambda: _only_new(made, "words", "*.json"),
    }
    return str(new[kind]().relative_to(state)) if kind in new else kind


def _only_new(made: Published, folder: str, pattern: str) -> Path:
    new = sorted(made.after.joinpath(folder).glob(pattern))
    return next(path for path in new if not (made.before / path.relative_to(made.after)).exists())


@pytest.mark.parametrize("how", [*TORN, "not renamed"])
@pytest.mark.parametrize("kind", [kind if kind in ALWAYS else pytest.param(kind, marks=FULL) for kind in OF_A_REFRESH])
def test_a_torn_file_of_a_refresh_is_named_and_no_wrong_answer_comes_of_it(
    refreshed: Published, kind: str, how: str
) -> None:
    path = refreshed.tear(path_of(kind, refreshed), how)
    told, unrenamed = OF_A_REFRESH[kind]
    said = refreshed.problems()
    depth, fell_back_from = refreshed.found()
    if how == "not renamed" and kind == POINTER:
        assert (depth, fell_back_from, said) == (OLD, None, ""), "the release before is served, as it was"
        return
    assert depth == told
    assert fell_back_from == {OLD: refreshed.release.id}.get(told, POINTER if kind == POINTER else None)
    if how == "not renamed" and unrenamed == LEFT:
        assert said == ""
    elif how == "not renamed" and unrenamed == RELEASE:
        assert refreshed.release.id in said
    else:
        assert path.name in said or path.stem in said, said or "nothing"


@pytest.mark.parametrize("how", [*TORN, "not renamed"])
@pytest.mark.parametrize("name", [WEIGHTS, pytest.param(CONFIG, marks=FULL), pytest.param(SUMS, marks=FULL)])
def test_a_torn_file_of_an_adapter_is_named_and_the_one_before_answers(
    retrained: Published, name: str, how: str
) -> None:
    entry = retrained.release.adapters[AdapterKind.TUNED]
    retrained.tear(f"adapters/{entry.sha256}/{name}", how)
    said = retrained.problems()
    with open_served(retrained.workspace, retrained.params, {}, adapter=AdapterKind.TUNED) as served:
        answering = served.release.adapters[AdapterKind.TUNED]
        fell_back_from = served.fell_back_from
    if (name, how) == (SUMS, "not renamed"):
        # The name of the folder says what the weights and the config are.
        assert (answering, fell_back_from, said) == (entry, None, "")
        return
    assert answering != entry and fell_back_from == retrained.release.id
    assert entry.id in said and name in said, said or "nothing"
    assert retrained.found() == (OLD, None), "who asks without an adapter needs none of its files"


@pytest.mark.parametrize("how", ["zeros", pytest.param("empty", marks=FULL), pytest.param("cut", marks=FULL)])
@pytest.mark.parametrize("kind", ALWAYS)
def test_after_any_of_them_doctor_serves_the_newest_whole_release(refreshed: Published, kind: str, how: str) -> None:
    refreshed.tear(path_of(kind, refreshed), how)
    mend_releases(refreshed.workspace, refreshed.params, {})
    assert refreshed.problems() == ""
    assert refreshed.found() == (NEW if kind == POINTER else OLD, None)


def test_where_no_release_is_whole_nothing_is_told(refreshed: Published) -> None:
    refreshed.tear(POINTER, "empty")
    for record in (refreshed.workspace.state / "releases").glob("*.json"):
        record.write_bytes(b"")
    with pytest.raises(LoragError, match="cannot be opened"):
        refreshed.found()
    with pytest.raises(IntegrityFailed, match="no release is whole"):
        mend_releases(refreshed.workspace, refreshed.params, {})
