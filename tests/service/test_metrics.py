"""The figures for Prometheus that no request shows by itself."""

from datetime import UTC, datetime, timedelta

from lorag.answering.citations import Citation
from lorag.service.metrics import Metrics
from lorag.use_cases.serve.cited_pages import CitedPage, SourceState


def cited(name: str, source: SourceState | None, days: int | None = None) -> CitedPage:
    date = None if days is None else (datetime.now(UTC).date() - timedelta(days)).isoformat()
    return CitedPage(Citation(name, "v", "c", "quote", 0, 5), date, None, source)


def test_a_cited_page_counts_once_in_an_answer_by_its_source_and_its_age() -> None:
    metrics = Metrics()
    metrics.count_pages([cited("a.md", SourceState.CHANGED, 3), cited("a.md", SourceState.CHANGED, 3)])
    metrics.count_pages([cited("a.md", SourceState.CHANGED, 100), cited("b.md", None), cited("c.md", None, -9)])
    lines = metrics.as_text().decode().splitlines()
    assert 'lorag_cited_pages_total{source="changed"} 2.0' in lines
    assert 'lorag_cited_pages_total{source="unknown"} 2.0' in lines
    assert 'lorag_cited_page_age_days_bucket{le="1.0"} 1.0' in lines, "a date to come is no age below zero"
    assert 'lorag_cited_page_age_days_bucket{le="7.0"} 2.0' in lines
    assert "lorag_cited_page_age_days_count 3.0" in lines
