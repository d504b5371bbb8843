"""Searches while releases come and go: none fails, and each answer comes from one release alone."""

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Chunk
from lorag.params_file import load_params
from lorag.releases.record import DocumentEntry, Release, digest_rows
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import IndexRow, IndexStore
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.manage_releases import check_releases, roll_back
from lorag.use_cases.serve.search import search_with
from lorag.workspace import Workspace
from tests.faults.works import copied

N_PAGES, N_READERS, RETAINED = 6, 2, 3


def publish(edition: int, workspace: Workspace, store: IndexStore) -> Release:
    """A release whose pages are all of one edition, in the order in which a refresh publishes."""
    shelf = ReleaseShelf(workspace.state)
    served, newest = shelf.served(), shelf.releases()[0]
    assert served is not None
    chunks = [
        Chunk(f"c{number}", f"pier{number}.md", "", f"pier {number} of edition {edition}") for number in range(N_PAGES)
    ]
    vectors = np.random.default_rng(edition).standard_normal((N_PAGES, served.index.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [IndexRow(chunk, served.embedder_fingerprint, vector) for chunk, vector in zip(chunks, vectors, strict=True)]
    gone = store.entries(served.index).keys() - {chunk.id for chunk in chunks}
    ref = store.write_generation(served.index, served.index.name, newest.generation + 1, rows, sorted(gone))
    content, vectors_digest, n_chunks = digest_rows(store.rows(ref))
    store.make_durable(ref)
    release = replace(
        served,
        generation=newest.generation + 1,
        index=ref,
        content_digest=content,
        vectors_digest=vectors_digest,
        n_chunks=n_chunks,
        documents={chunk.document_id: DocumentEntry(str(edition), "Pier") for chunk in chunks},
        adapters={},
        base_model_sha256=None,
    )
    shelf.publish(release, expected_served=served.id)
    store.drop_all_but([kept.index for kept in shelf.retain(RETAINED)])
    return release


@dataclass
class Readers:
    """Threads that search all the time, what failed, and how many searches each release has answered."""

    live: LiveRelease
    over: threading.Event = field(default_factory=threading.Event)
    failed: list[Exception] = field(default_factory=list)
    n_answered: list[int] = field(default_factory=lambda: [0] * N_READERS)
    releases: set[str] = field(default_factory=set)

    def read(self, reader: int) -> None:
        while not self.over.is_set():
            try:
                self._search(reader)
            except Exception as error:
                self.failed.append(error)
                return

    def _search(self, reader: int) -> None:
        with self.live.use(None) as opened:
            # The vector of a question does not depend on the release.
            vector = np.full((1, opened.served.release.index.dimension), 0.05, np.float32)
            searcher = replace(opened.served.searcher, embed=lambda texts: vector)
            served = replace(opened.served, searcher=searcher)
            outcome = search_with("pier of which edition", served, None, opened.params, top_k=N_PAGES)
        editions = {hit.chunk.text.rpartition(" ")[2] for hit in outcome.hits}
        assert len(outcome.hits) == N_PAGES and outcome.fell_back_from is None
        assert editions == set(outcome.versions.values()) and len(editions) == 1, editions
        self.n_answered[reader] += 1
        self.releases.add(outcome.release)


@pytest.mark.parametrize(
    ("n_searches", "n_changes"),
    [(500, 6), pytest.param(20_000, 200, marks=[pytest.mark.full, pytest.mark.slow, pytest.mark.timeout(7_200)])],
)
def test_no_search_fails_and_each_answer_is_of_one_release(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n_searches: int, n_changes: int
) -> None:
    monkeypatch.setattr("lorag.use_cases.serve.live.open_generator", lambda *given: None)
    workspace = copied(made, tmp_path / "copy")
    params = load_params(workspace.params_file)
    store = open_store(params.index, workspace.state, {})
    publish(0, workspace, store)
    readers = Readers(LiveRelease(workspace, {}))
    threads = [threading.Thread(target=readers.read, args=(number,)) for number in range(N_READERS)]
    for thread in threads:
        thread.start()
    served = set()
    for change in range(1, n_changes + 1):
        # Every fifth change goes back to the release before.
        release = roll_back(workspace, params, {}, None) if change % 5 == 0 else publish(change, workspace, store)
        served.add(release.id)
        while sum(readers.n_answered) < n_searches * change / n_changes and not readers.failed:
            time.sleep(0.002)
    readers.over.set()
    for thread in threads:
        thread.join()
    readers.live.close()
    store.close()
    assert readers.failed == []
    assert sum(readers.n_answered) >= n_searches
    assert len(readers.releases & served) > len(served) / 2, "they followed"
    assert not [check for check in check_releases(workspace, params, {}) if check.problem]
