"""BM25 over segments: whatever the refreshes were, it ranks as over the rows that are left."""

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import Filter
from lorag.retrieval.word_index import Part, left_ids, merge_small, rank_rows, read_words, without_rows

NO_FILTER = Filter()


def chunk(id_: str, text: str, **metadata: str) -> Chunk:
    return Chunk(id_, f"{id_}.md", "", text, metadata)


def parts_of(chunks: Sequence[Chunk]) -> list[Part]:
    return [Part(read_words(chunks), np.empty(0, np.uint32))]


def test_the_score_is_that_of_bm25() -> None:
    parts = parts_of([chunk("a", "crane crane winch"), chunk("b", "winch"), chunk("c", "rope")])
    idf = math.log(1 + (3 - 1 + 0.5) / (1 + 0.5))
    norm = 1.2 * (1 - 0.75 + 0.75 * 3 / (5 / 3))
    assert rank_rows(parts, ["crane"], 5, NO_FILTER) == [("a", pytest.approx(idf * 2 * 2.2 / (2 + norm)))]


def test_strangers_16_an_index_that_grew_ranks_as_one_that_was_built_at_once() -> None:
    rng = random.Random(3)
    words = [f"w{number}" for number in range(150)]

    def text() -> str:
        return " ".join(rng.choices(words, k=rng.randint(3, 30)))

    rows: dict[str, Chunk] = {}
    parts: list[Part] = []
    most = 0
    for refresh in range(60):
        new = [chunk(f"c{rng.randrange(400)}", text(), team=rng.choice("xy")) for _ in range(rng.choice([1, 5, 60]))]
        added = {one.id: one for one in new}
        removed = set(rng.sample(sorted(rows), k=min(len(rows), rng.choice([0, 1, 30]))))
        gone = removed | added.keys()
        rows = {key: row for key, row in rows.items() if key not in gone} | added
        parts = merge_small([*without_rows(parts, gone), *parts_of([*added.values()])])
        most = max(most, len(parts))
        assert sorted(chunk_id for part in parts for chunk_id in left_ids(part)) == sorted(rows), refresh
    at_once = parts_of([*rows.values()])
    for _ in range(50):
        terms = rng.sample(words, k=3)
        for where in (NO_FILTER, Filter(metadata=(("team", "x"),))):
            assert rank_rows(parts, terms, 10, where) == rank_rows(at_once, terms, 10, where) != []
    assert 1 < most <= 10, "segments stay few"


def test_strangers_16_a_filter_selects_and_changes_no_score() -> None:
    rows = [chunk(f"c{n}", f"crane number{n}", team="harbour" if n % 2 else "yard") for n in range(10)]
    parts = parts_of(rows)
    everything = dict(rank_rows(parts, ["crane", "number3"], 10, NO_FILTER))
    selected = rank_rows(parts, ["crane", "number3"], 10, Filter(metadata=(("team", "harbour"),)))
    assert [name for name, _ in selected] == ["c3", "c1", "c5", "c7", "c9"]
    assert all(everything[name] == score for name, score in selected)
    assert rank_rows(parts, ["crane"], 3, Filter(document_ids=("c4.md", "c2.md"))) == [
        ("c2", everything["c2"]),
        ("c4", everything["c4"]),
    ]


def test_strangers_19_a_filter_names_an_item_of_a_list() -> None:
    parts = parts_of([chunk("a", "rope", tags="winch, crane"), chunk("b", "rope", tags="crane"), chunk("c", "rope")])
    for value, found in (("winch", ["a"]), ("crane", ["a", "b"]), ("winch, crane", ["a"]), ("cran", [])):
        assert [name for name, _ in rank_rows(parts, ["rope"], 5, Filter(metadata=(("tags", value),)))] == found


def test_equal_scores_are_in_the_order_of_their_ids_also_at_the_cut() -> None:
    parts = merge_small([*parts_of([chunk("b", "rope"), chunk("d", "rope")]), *parts_of([chunk("a", "rope")])])
    assert [name for name, _ in rank_rows(parts, ["rope"], 2, NO_FILTER)] == ["a", "b"]
