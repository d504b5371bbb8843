"""Stale retrieval rate and content age, by hand."""

from dataclasses import replace

import pytest

from lorag.knowledge.changes import CorpusChanges
from lorag.releases.record import DocumentEntry
from lorag.strategies import Strategy
from lorag.use_cases.serve.query_log import Passage, Query
from lorag.use_cases.serve.retrieved import StaleRetrieval, describe_ages, find_stale
from tests.releases.test_shelf import release

SERVED = replace(
    release(3),
    documents={
        "old.md": DocumentEntry("1", "Old", 1, "2026-12-01T10:00:00+00:00"),
        "new.md": DocumentEntry("1", "New", 3, "2027-01-01T10:00:00+00:00"),
        "unknown.md": DocumentEntry("1", "Unknown"),
    },
)


def asked(*names: str, release_id: str = SERVED.id, date: str | None = None) -> Query:
    passages = tuple(Passage(name, "c", "", date) for name in names)
    values = (release_id, passages, (), 0.1, 1, 1, 0.0, "EUR")
    return Query("q", "2027-01-11T09:00:00+00:00", "owner", "mcp", "?", Strategy.RAG, "!", "quoted", None, *values)


def test_passages_of_documents_that_changed_or_went_since_are_stale() -> None:
    changes = CorpusChanges(added=("a.md",), changed=("old.md",), removed=("gone.md",), renamed=(("b.md", "c.md"),))
    queries = [asked("old.md", "new.md", "b.md"), asked("gone.md"), asked("old.md", release_id="000002-x"), asked()]
    found = find_stale(queries, SERVED, changes)
    assert found == StaleRetrieval(passages=4, stale=2)
    assert found.to_json() == {"passages": 4, "stale": 2, "rate": 0.5}


def test_nothing_retrieved_has_no_rate() -> None:
    changes = CorpusChanges((), (), (), ())
    assert find_stale([asked(), asked("old.md", release_id="000002-x")], SERVED, changes) is None


def test_content_is_as_old_as_its_page_says_else_as_the_release_that_brought_it() -> None:
    queries = [
        asked("old.md", "new.md"),
        asked("unknown.md", "not_there.md"),
        asked("old.md", release_id="gone"),
        asked("old.md", date="2027-01-10"),
        asked("old.md", date="2027-02-01"),
    ]
    # 41 and 10 days by the release, one day by the page, and a date to come.
    assert describe_ages(queries, [SERVED]) == {"n": 4, "p50": 5.5, "p95": pytest.approx(36.35)}
    assert describe_ages(queries[1:3], [SERVED]) is None
