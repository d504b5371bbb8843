"""Publish, swap, roll back, retain, and refuse what is damaged."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from lorag.errors import Busy, IntegrityFailed, WorkspaceError
from lorag.params import StoreKind
from lorag.releases.durable import writer_lock
from lorag.releases.record import DocumentEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import IndexRef


def release(generation: int, content: str = "c") -> Release:
    return Release(
        generation=generation,
        index=IndexRef(StoreKind.LANCEDB, "knowledge_1", generation, generation * 3, 8),
        content_digest=content,
        vectors_digest="v",
        corpus_digest="k",
        params_digest="p",
        embedder_fingerprint="f",
        embedder_model="m",
        embedder_sha256="s",
        base_model_sha256=None,
        git_commit=None,
        created_utc="2027-01-01T00:00:00+00:00",
        n_chunks=1,
        documents={"a.md": DocumentEntry("1", "A")},
    )


@pytest.fixture
def shelf(tmp_path: Path) -> ReleaseShelf:
    return ReleaseShelf(tmp_path)


def test_a_record_comes_back_as_it_was(shelf: ReleaseShelf) -> None:
    first = release(1)
    shelf.publish(first, expected_served=None)
    assert shelf.served() == first


def test_the_id_does_not_depend_on_when_or_where() -> None:
    again = Release(
        **{**{f: getattr(release(1), f) for f in Release.__slots__}, "created_utc": "2030", "git_commit": "x"}
    )
    assert again.id == release(1).id
    assert release(1, "other").id != release(1).id


def test_a_stale_writer_is_refused(shelf: ReleaseShelf) -> None:
    first, second, late = release(1), release(2), release(2, "late")
    shelf.publish(first, expected_served=None)
    shelf.publish(second, expected_served=first.id)
    with pytest.raises(Busy, match="published meanwhile"):
        shelf.publish(late, expected_served=first.id)
    assert shelf.served() == second


def test_rollback_and_retention(shelf: ReleaseShelf) -> None:
    releases = [release(n) for n in range(1, 6)]
    served = None
    for one in releases:
        shelf.publish(one, expected_served=served)
        served = one.id
    shelf.point_at(releases[0], expected_served=served)
    kept = shelf.retain(2)
    assert [r.generation for r in kept] == [5, 4, 1], "the served release stays, however old"
    assert shelf.as_of("4").generation == 4
    with pytest.raises(WorkspaceError, match="no release"):
        shelf.as_of("2")


@pytest.mark.parametrize("damage", ["", "{", '{"format": 1}', '{"format": 99, "release": {}, "sha256": ""}', "[]"])
def test_a_damaged_record_is_named_and_left_out(shelf: ReleaseShelf, damage: str) -> None:
    first, second = release(1), release(2)
    shelf.publish(first, expected_served=None)
    shelf.publish(second, expected_served=first.id)
    (shelf.folder / "releases" / f"{second.id}.json").write_text(damage)
    with pytest.raises(IntegrityFailed):
        shelf.served()
    assert [r.id for r in shelf.releases()] == [first.id]
    assert len(shelf.damaged()) == 1


def test_one_changed_character_is_noticed(shelf: ReleaseShelf) -> None:
    first = release(1)
    shelf.publish(first, expected_served=None)
    file = shelf.folder / "releases" / f"{first.id}.json"
    value = json.loads(file.read_text())
    value["release"]["content_digest"] = "d"
    file.write_text(json.dumps(value))
    with pytest.raises(IntegrityFailed, match="does not match its digest"):
        shelf.served()


def publish_next(shelf: ReleaseShelf, barrier: threading.Barrier, content: str) -> str | None:
    """Publish what follows the served release; return the line of the error if another writer runs."""
    barrier.wait()
    try:
        with writer_lock(shelf.folder / "lock"):
            served = shelf.served()
            following = release(served.generation + 1 if served else 1, content)
            shelf.publish(following, expected_served=served.id if served else None)
    except Busy as error:
        return error.line()
    return None


@pytest.mark.parametrize("n_pairs", [5, pytest.param(50, marks=pytest.mark.full)])
def test_of_two_that_begin_at_once_each_publishes_on_the_other_or_is_told(tmp_path: Path, n_pairs: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        for number in range(n_pairs):
            shelf = ReleaseShelf(tmp_path / str(number))
            said = list(pool.map(partial(publish_next, shelf, threading.Barrier(2)), ("one", "other")))
            told = [line for line in said if line is not None]
            generations = [each.generation for each in shelf.releases()]
            assert generations == list(range(2 - len(told), 0, -1)), "none is written twice"
            assert all(line.startswith("error[E040] another refresh") for line in told) and len(told) < 2
            assert shelf.served() == shelf.releases()[0]


def test_a_second_writer_is_told_at_once(tmp_path: Path) -> None:
    with writer_lock(tmp_path / "lock"), pytest.raises(Busy, match="another refresh"), writer_lock(tmp_path / "lock"):
        pass
    with writer_lock(tmp_path / "lock"):
        pass
