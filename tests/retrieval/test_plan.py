"""plan_refresh as a table: each row is a trap or a promise."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import IndexEntry
from lorag.retrieval.plan import PlanCounts, plan_refresh

OLD, NEW = "embedder-a", "embedder-b"


def chunk(chunk_id: str, text: str = "text", document: str = "d.md", **metadata: str) -> Chunk:
    return Chunk(chunk_id, document, "", text, metadata)


def indexed(*chunks: Chunk, fingerprint: str = OLD) -> dict[str, IndexEntry]:
    return {c.id: IndexEntry(c.document_id, c.content_hash, fingerprint) for c in chunks}


CASES = {
    "first build": ([chunk("a"), chunk("b")], {}, OLD, PlanCounts(2, 0, 0, 0)),
    "unchanged": ([chunk("a")], indexed(chunk("a")), OLD, PlanCounts(0, 0, 0, 1)),
    "edited text is one change, not an add and a remove": (
        [chunk("a2", "new")],
        indexed(chunk("a1", "old")),
        OLD,
        PlanCounts(0, 1, 0, 0),
    ),
    "same id, other metadata": ([chunk("a", tag="x")], indexed(chunk("a")), OLD, PlanCounts(0, 1, 0, 0)),
    "another embedder changes everything": ([chunk("a")], indexed(chunk("a")), NEW, PlanCounts(0, 1, 0, 0)),
    "a shorter version leaves no tail": ([chunk("a")], indexed(chunk("a"), chunk("b")), OLD, PlanCounts(0, 0, 1, 1)),
    "an emptied source removes everything": ([], indexed(chunk("a"), chunk("b")), OLD, PlanCounts(0, 0, 2, 0)),
    "text moves from one document to another": (
        [chunk("x2", "B", "x.md"), chunk("y1", "A", "y.md")],
        indexed(chunk("x1", "A", "x.md")),
        OLD,
        PlanCounts(1, 1, 0, 0),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_counts(case: str) -> None:
    wanted, entries, fingerprint, counts = CASES[case]
    assert plan_refresh(wanted, fingerprint, entries).counts == counts


def test_the_same_plan_twice_is_a_noop() -> None:
    wanted = [chunk("a"), chunk("b", document="e.md")]
    assert not plan_refresh(wanted, OLD, {}).is_noop
    assert plan_refresh(wanted, OLD, indexed(*wanted)).is_noop


ids = st.dictionaries(st.sampled_from("abcdefgh"), st.sampled_from(["one", "two"]), max_size=8)


@given(ids, ids)
def test_applying_a_plan_gives_what_was_wanted(before: dict[str, str], after: dict[str, str]) -> None:
    old = {k: chunk(k, text, f"{k < 'd'}.md") for k, text in before.items()}
    new = {k: chunk(k, text, f"{k < 'd'}.md") for k, text in after.items()}
    plan = plan_refresh(new.values(), OLD, indexed(*old.values()))
    state = {k: c for k, c in old.items() if k not in plan.delete} | {k: new[k] for k in plan.write}
    assert state == new
    assert set(plan.keep) == {k for k in before if before[k] == after.get(k)}
    assert plan.counts.added + plan.counts.changed + plan.counts.kept == len(new)
    assert plan.counts.removed + plan.counts.changed + plan.counts.kept == len(old)
