"""Which similarity decides whether anything relevant was found."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.knowledge.documents import Chunk
from lorag.params import RetrieverKind
from lorag.params_file import load_params
from lorag.retrieval.index.store import Hit, IndexRow
from lorag.retrieval.search import Searcher, SearchResult

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml").search.model_copy(
    update={"retriever": RetrieverKind.DENSE}
)
VECTORS = {"question": (0.1, 0.995), "made-up passage": (1.0, 0.0)}


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    return np.array([VECTORS[text] for text in texts], np.float32)


def test_the_question_decides_and_not_what_was_made_up_for_it(tmp_path: Path) -> None:
    store = LanceDbIndex(tmp_path, 1_000)
    rows = [IndexRow(Chunk("c1", "a.md", "", "text"), "f", np.array([1.0, 0.0], np.float32))]
    ref = store.write_generation(None, "knowledge", 1, rows, ())
    found = Searcher(store, ref, embed).search(["question", "made-up passage"], PARAMS)
    store.close()
    assert found.best_similarity == pytest.approx(0.1, abs=1e-3)
    assert found.hits and found.relevant(0.3) == () and found.relevant(0.05) == found.hits
    assert SearchResult(found.hits, None).relevant(0.3) == found.hits, "without a dense search nothing is known"


@pytest.mark.parametrize(
    ("question", "is_relevant"),
    [
        ("What is the NASUWT?", True),
        ("Which unions are there in Wales?", True),
        ("What does the NASUWT cost?", False),
        ("What is it?", False),
        ("", False),
    ],
)
def test_hits_that_hold_every_word_of_the_question_are_relevant_however_similar(
    question: str, is_relevant: bool
) -> None:
    texts = ("Teachers in Wales can be members of unions.", "Such are ATL, NUT and NASUWT.")
    hits = tuple(Hit(Chunk(f"c{at}", "a.md", "", text), 0.1) for at, text in enumerate(texts))
    assert SearchResult(hits, 0.1, question).relevant(0.3) == (hits if is_relevant else ())
    beyond = (*(Hit(Chunk(f"d{at}", "b.md", "", "Something else."), 0.2) for at in range(3)), *hits)
    assert SearchResult(beyond, 0.1, question).relevant(0.3) == (), "they are not among the best"
