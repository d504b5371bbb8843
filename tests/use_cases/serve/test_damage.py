"""Damage to what is served: readers fall back and say so, `lorag doctor` names the file, and there is a way back.

The numbers in the names are those of the accidents that docs/reliability.md lists.
"""

import os
import random
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lorag.errors import IntegrityFailed, NotThere
from lorag.integrations.stores import open_store
from lorag.releases.audit import AUDIT, HEAD, Action, note_action, read_audit
from lorag.releases.record import Release
from lorag.releases.shelf import POINTER
from lorag.use_cases.operate.clean_up import clean_up
from lorag.use_cases.refresh import steps
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.manage_releases import check_releases, mend_releases, roll_back
from lorag.use_cases.serve.search import search_workspace
from lorag.use_cases.serve.serve import open_served
from lorag.use_cases.serve.status import read_status
from lorag.workspace import Workspace
from tests.use_cases.conftest import PAGES, Place, make_place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace with three releases, of which each has another depth of berth 4; the last has an adapter, too."""
    place = make_place(tmp_path_factory.mktemp("made"))
    for depth in ("7.25", "8.40", "9.10"):
        (place.source / "berths.md").write_text(PAGES["berths.md"].replace("7.25", depth))
        place.refresh()
    return place


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    shutil.copytree(made.workspace.root, tmp_path / "w", symlinks=True)
    return replace(made, workspace=Workspace(tmp_path / "w"))


def found(place: Place) -> tuple[str, str | None]:
    """The depth that a search finds, and what it fell back from."""
    outcome = search_workspace("How deep is berth 4?", place.workspace, place.params, {}, top_k=1)
    return outcome.hits[0].chunk.text.split()[7], outcome.fell_back_from


def problems(place: Place) -> list[str]:
    checks = check_releases(place.workspace, place.params, {})
    return [f"{check.name}: {check.problem}" for check in checks if check.problem]


def newest(place: Place) -> Release:
    return place.shelf.releases()[0]


def files_of_newest_alone(place: Place) -> list[Path]:
    """The data files and the manifest that only the newest release needs."""
    table = place.workspace.state / "lancedb" / f"{newest(place).index.name}.lance"
    manifests = sorted((table / "_versions").glob("*.manifest"))
    texts = {path: path.read_bytes() for path in manifests}
    version = f"{2**64 - 1 - newest(place).index.version:020d}.manifest"
    own = next(path for path in manifests if path.name == version)
    others = b"".join(text for path, text in texts.items() if path != own)
    return [own, *(path for path in (table / "data").iterdir() if path.name.encode() not in others)]


def flip(path: Path, seed: int = 7) -> None:
    """Change one bit; the file keeps its times, as on a disk that decays."""
    content, status = bytearray(path.read_bytes()), path.stat()
    position = random.Random(seed).randrange(len(content))
    content[position] ^= 1 << random.Random(seed).randrange(8)
    path.write_bytes(content)

    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


POINTERS = ["", '{"release": ', "[]", '"000003"', "{}", "\0\0\0\0"]


def test_faults_4_a_damaged_pointer_is_passed_over_by_readers_and_written_anew_by_writers(place: Place) -> None:
    served = newest(place)
    pointer = place.workspace.state / POINTER
    for text, write_anew in zip(POINTERS, (_refresh, _mend) * 3, strict=True):
        pointer.write_text(text)
        assert found(place) == ("9.10", POINTER)
        assert LiveRelease(place.workspace, {}).release_id() == served.id
        assert read_status(place.workspace, place.params).served == served
        assert "doctor --mend" in problems(place)[0]
        write_anew(place)
        assert place.shelf.served() == served
        assert found(place) == ("9.10", None)
        assert problems(place) == []
    pointer.write_text("{")
    assert roll_back(place.workspace, place.params, {}, "2").generation == 2
    assert found(place) == ("8.40", None)


def _refresh(place: Place) -> None:
    store = open_store(place.params.index, place.workspace.state, {})
    planned = steps.plan(place.workspace, place.params, store, rebuild=False, allow_shrink=False)
    release = steps.current_release(planned)
    assert release is not None
    steps.serve_again(place.workspace, planned, release)
    store.close()


def _mend(place: Place) -> None:
    assert mend_releases(place.workspace, place.params, {}) == [f"release {newest(place).id} is served"]


@pytest.mark.parametrize("number", [0, 1])
def test_faults_5_a_flipped_bit_is_named_and_the_next_refresh_writes_the_index_again(place: Place, number: int) -> None:
    damaged = newest(place)
    path = files_of_newest_alone(place)[number]
    flip(path)
    said = problems(place)
    assert len(said) == 1 and damaged.id in said[0] and path.name in said[0], said

    release = place.refresh()
    assert release.content_digest == damaged.content_digest and release.index.name != damaged.index.name
    assert found(place) == ("9.10", None)
    assert len(problems(place)) == 1, "the damaged one is on the shelf"
    assert mend_releases(place.workspace, place.params, {}) == [f"removed {damaged.id}, which is damaged"]
    assert problems(place) == []
    assert [one.generation for one in place.shelf.releases()] == [4, 2, 1]
    assert mend_releases(place.workspace, place.params, {}) == []


@pytest.mark.parametrize(
    ("number", "damage"),
    [(0, Path.unlink), (1, Path.unlink), (1, lambda path: path.write_bytes(path.read_bytes()[:-20]))],
)
def test_faults_6_without_a_file_of_the_served_index_an_older_release_answers_and_says_so(
    place: Place, number: int, damage: Callable[[Path], object]
) -> None:
    damaged = newest(place)
    damage(files_of_newest_alone(place)[number])
    assert found(place) == ("8.40", damaged.id)
    assert any(damaged.id in said for said in problems(place))
    mend_releases(place.workspace, place.params, {})
    assert place.shelf.served_id() == place.shelf.releases()[0].id != damaged.id
    assert found(place) == ("8.40", None)
    assert place.refresh().content_digest == damaged.content_digest
    assert found(place) == ("9.10", None)


def test_faults_6_words_that_are_gone_are_made_again(place: Place) -> None:
    words = place.workspace.state / "words"
    shutil.rmtree(words)
    assert problems(place) == [], "what is made again is no damage"
    assert found(place) == ("9.10", None)
    assert list(words.iterdir()) and problems(place) == []


def test_faults_11_a_rollback_compares_every_byte_and_passes_over_what_is_damaged(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    # What generation 2 alone needs: its own manifest.
    middle = place.shelf.as_of("2")
    table = place.workspace.state / "lancedb" / f"{middle.index.name}.lance"
    flip(table / "_versions" / f"{2**64 - 1 - middle.index.version:020d}.manifest")
    with pytest.raises(IntegrityFailed, match="bytes changed"):
        roll_back(place.workspace, place.params, {}, "2")
    assert place.shelf.served() == newest(place), "nothing has moved"
    assert roll_back(place.workspace, place.params, {}, None).generation == 1
    assert f"release {middle.id} is damaged and is passed over" in caplog.text
    assert found(place) == ("7.25", None)


@pytest.mark.parametrize("n", [3, pytest.param(100, marks=pytest.mark.full)])
def test_any_retained_release_is_served_again_as_often_as_one_likes(place: Place, n: int) -> None:
    releases = {str(release.generation): release for release in place.shelf.releases()}
    depths = {"1": "7.25", "2": "8.40", "3": "9.10"}
    served, draws = "3", random.Random(7)
    for _ in range(n):
        served = draws.choice([generation for generation in releases if generation != served])
        roll_back(place.workspace, place.params, {}, served)
        assert place.shelf.served() == releases[served] and found(place) == (depths[served], None)
    assert problems(place) == []


def test_faults_1_doctor_leaves_out_a_release_that_is_dropped_while_it_reads(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = type(place.shelf).releases

    def read_and_drop(shelf: object) -> list[Release]:
        releases = read(place.shelf)
        monkeypatch.undo()
        place.shelf.retain(1)
        return releases

    monkeypatch.setattr(type(place.shelf), "releases", read_and_drop)
    checks = check_releases(place.workspace, place.params, {})
    assert not [check for check in checks if check.problem]
    assert [release.generation for release in place.shelf.releases()] == [3]


def test_faults_1_a_release_that_is_read_stays_on_the_shelf_until_its_reader_ends(place: Place) -> None:
    oldest = place.shelf.as_of("1")
    with open_served(place.workspace, place.params, {}, as_of="1") as served:
        shutil.rmtree(place.workspace.state / "lancedb" / "none", ignore_errors=True)
        assert [one.generation for one in place.shelf.retain(1)] == [3, 1]
        clean_up(place.workspace, place.params, {})
        assert served.searcher.store.count(oldest.index) == oldest.n_chunks
    assert [one.generation for one in place.shelf.retain(1)] == [3]
    with pytest.raises(NotThere), open_served(place.workspace, place.params, {}, as_of="1"):
        pass
    assert not list((place.workspace.state / "readers").glob(f"{oldest.id}*"))


def test_faults_1_readers_beside_many_publications_meet_no_release_that_went_away(place: Place) -> None:
    over, failed = threading.Event(), []

    def read() -> None:
        while not over.is_set():
            try:
                with open_served(place.workspace, place.params, {}) as served:
                    assert served.fell_back_from is None
                    served.searcher.store.count(served.release.index)
            except Exception as error:
                failed.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    release = newest(place)
    for generation in range(4, 40):
        release = replace(release, generation=generation)
        place.shelf.publish(release, expected_served=place.shelf.served_id())
        place.shelf.retain(1)
    over.set()
    reader.join()
    assert failed == []


N_FLIPS = 24
MORE = pytest.param(200, marks=[pytest.mark.full, pytest.mark.slow])
UNREAD = ("_transactions", "latest_version_hint.json")
"""What LanceDB writes and no search reads."""


@pytest.fixture(scope="module")
def with_adapter(made: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A copy with an adapter that is served, and another one that was rolled back."""
    root = tmp_path_factory.mktemp("adapter") / "w"
    shutil.copytree(made.workspace.root, root, symlinks=True)
    place = replace(made, workspace=Workspace(root))
    kept = place.publish_adapter(1)
    place.publish_adapter(2)
    roll_back(place.workspace, place.params, {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, kept.id)
    assert problems(place) == []
    return place


@pytest.mark.parametrize("n", [N_FLIPS, MORE])
def test_a_flipped_bit_in_any_file_of_what_is_served_is_found_and_the_file_is_named(
    with_adapter: Place, n: int
) -> None:
    state = with_adapter.workspace.state
    versions = {f"{2**64 - 1 - one.index.version:020d}.manifest" for one in with_adapter.shelf.releases()}
    kinds = [
        [state / POINTER],
        [state / "withdrawn.json"],
        sorted((state / "releases").glob("*.json")),
        sorted(path for path in (state / "adapters").rglob("*") if path.is_file()),
        sorted((state / "lancedb").glob("*.sums.json")),
        sorted((state / "lancedb").rglob("data/**/*.*")),
        sorted((state / "words").iterdir()),
        # LanceDB keeps one more, which no release needs: a damaged one is set aside.
        [path for name in versions for path in (state / "lancedb").rglob(name)],
    ]
    seed = random.SystemRandom().randrange(10**6)
    chosen = random.Random(seed)
    for number in range(n):
        among = [path for path in kinds[number % len(kinds)] if not set(UNREAD) & set(path.parts)]
        path = chosen.choice(among)
        content = path.read_bytes()
        flip(path, chosen.randrange(10**6))
        said = "\n".join(problems(with_adapter))
        path.write_bytes(content)
        assert path.name in said or path.stem in said, f"seed {seed}, flip {number} in {path}: {said or 'nothing'}"
    assert problems(with_adapter) == []


def test_what_was_put_in_service_past_the_log_is_found(place: Place) -> None:
    assert problems(place) == []
    roll_back(place.workspace, place.params, {}, "1")
    assert [(line["action"], line["release"][:6]) for line in read_audit(place.workspace.state)] == [
        ("serve", "000001"),
        ("serve", "000002"),
        ("serve", "000003"),
        ("serve", "000001"),
    ]
    log = place.workspace.state / AUDIT
    log.write_text(log.read_text().replace(place.shelf.as_of("1").id, place.shelf.as_of("2").id))
    assert any(problem.startswith("audit log: audit.jsonl:2: a line was changed") for problem in problems(place))
    for file in (AUDIT, HEAD):
        (place.workspace.state / file).unlink()
    assert problems(place) == [], "a workspace of an earlier version has none"
    note_action(place.workspace.state, Action.SERVE, release=place.shelf.as_of("2").id, instead_of=None)
    assert any("audit log: no line says who put 000001-" in problem for problem in problems(place))


def test_a_writer_that_is_killed_after_its_line_leaves_no_problem_in_an_upgraded_workspace(place: Place) -> None:
    for file in (AUDIT, HEAD):
        (place.workspace.state / file).unlink()
    served = place.shelf.served_id()
    note_action(place.workspace.state, Action.SERVE, release="000004-aaaaaaaaaa", instead_of=served)
    assert problems(place) == []
