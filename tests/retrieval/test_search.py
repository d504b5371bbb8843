"""A search through a real store: fused, reranked, capped and diversified."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.knowledge.documents import Chunk
from lorag.params import RetrieverKind, SearchParams
from lorag.params_file import load_params
from lorag.retrieval.index.store import IndexRow
from lorag.retrieval.search import Searcher

ROOT = Path(__file__).parents[2]
QUESTION = "how deep is the berth"
# Six pages of one document that say nearly the same, and five other documents further off.
NEAR = [(f"near{n}", "near", f"the berth is deep, page {n}", 0.10 + 0.01 * n) for n in range(6)]
FAR = [(f"far{n}", f"far{n}", f"harbour dues, berth list {n}", 0.60 + 0.15 * n) for n in range(5)]


def at(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], dtype=np.float32)


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    store = LanceDbIndex(tmp_path_factory.mktemp("store"), 1_000)
    rows = [IndexRow(Chunk(name, document, "", text), "f", at(angle)) for name, document, text, angle in NEAR + FAR]
    ref = store.write_generation(None, "search", 1, rows, ())
    yield Searcher(store, ref, lambda queries: np.stack([at(0.0) for _ in queries]))
    store.close()


class LastFirst:
    """A reranker that likes the pages with the greatest number, whatever they are about."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        return [float(text[-1]) - 9 for text in texts]


def found(searcher: Searcher, **changes: object) -> list[str]:
    params = load_params(ROOT / "params.yaml").search.model_copy(update={"max_per_document": 3, **changes})
    return [hit.chunk.id for hit in searcher.search([QUESTION], SearchParams.model_validate(dict(params))).hits]


@pytest.mark.parametrize("relevance", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("retriever", list(RetrieverKind))
def test_diversity_gives_as_many_hits_as_asked_for(
    searcher: Searcher, retriever: RetrieverKind, relevance: float
) -> None:
    ids = found(searcher, retriever=retriever, mmr_lambda=relevance)
    assert len(ids) == len(set(ids)) == 5
    assert sum(name.startswith("near") for name in ids) <= 3


@pytest.mark.parametrize("rerank_candidates", [4, 20])
@pytest.mark.parametrize("reranks", [False, True])
@pytest.mark.parametrize("retriever", list(RetrieverKind))
def test_relevance_alone_keeps_the_fused_and_the_reranked_order(
    searcher: Searcher, retriever: RetrieverKind, reranks: bool, rerank_candidates: int
) -> None:
    asked = Searcher(searcher.store, searcher.ref, searcher.embed, LastFirst() if reranks else None)
    settings = {"retriever": retriever, "rerank_candidates": rerank_candidates}
    assert found(asked, **settings, mmr_lambda=1.0) == found(asked, **settings, mmr_lambda=None)


def test_diversity_starts_from_the_best_and_goes_on_to_the_unlike(searcher: Searcher) -> None:
    plain, diverse = found(searcher, mmr_lambda=None), found(searcher, mmr_lambda=0.3)
    assert diverse[0] == plain[0]
    assert diverse[1].startswith("far") and not plain[1].startswith("far")
    reranked = Searcher(searcher.store, searcher.ref, searcher.embed, LastFirst())
    assert found(reranked, mmr_lambda=0.3)[0] == found(reranked, mmr_lambda=None)[0]


def test_diversity_of_nothing_is_nothing(searcher: Searcher) -> None:
    params = load_params(ROOT / "params.yaml").search.model_copy(
        update={"mmr_lambda": 0.5, "retriever": RetrieverKind.BM25}
    )
    assert searcher.search(["xyzzy"], params).hits == ()


def test_a_newer_page_replaces_an_older_one_if_that_is_wanted(tmp_path: Path) -> None:
    store = LanceDbIndex(tmp_path, 1_000)
    pages = [("2.13", "5 metres", 0.1), ("2.14", "6 metres", 0.2)]
    rows = [
        IndexRow(Chunk(version, f"docs/{version}/berth.md", "", f"the berth is {deep} deep"), "f", at(angle))
        for version, deep, angle in pages
    ]
    ref = store.write_generation(None, "search", 1, rows, ())
    searcher = Searcher(store, ref, lambda queries: np.stack([at(0.0) for _ in queries]))
    assert found(searcher, prefer_newer=True) == ["2.14"]
    assert found(searcher, prefer_newer=False) == ["2.13", "2.14"]
    store.close()
