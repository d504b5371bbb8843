"""The figures of the service for Prometheus."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lorag.use_cases.serve.cited_pages import CitedPage
from lorag.use_cases.serve.query_log import Query


class Metrics:
    """Counters and gauges of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "lorag_requests", "Requests by path and status.", ["path", "method", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "lorag_request_seconds", "Seconds of a request, waiting included.", ["path"], registry=self.registry
        )
        self._answers = Counter("lorag_answers", "Answers by kind.", ["strategy", "kind"], registry=self.registry)
        self._tokens = Counter("lorag_tokens", "Tokens of answers.", ["direction"], registry=self.registry)
        self._cited = Counter(
            "lorag_cited_pages",
            "Pages that an answer cites, by what became of them in the source since the release.",
            ["source"],
            registry=self.registry,
        )
        self._ages = Histogram(
            "lorag_cited_page_age_days",
            "Days since the date of a page that an answer cites.",
            registry=self.registry,
            buckets=(1, 7, 30, 90, 180, 365, 730, 1_825),
        )
        self.running = Gauge("lorag_answers_running", "Requests that compute now.", registry=self.registry)
        self.waiting = Gauge("lorag_answers_waiting", "Requests that wait for a place.", registry=self.registry)
        self.generation = Gauge(
            "lorag_release_generation", "The generation of the served release.", registry=self.registry
        )

    def count_request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count a request that has ended; `path` is that of its route, so that there are only a few."""
        known = method if method in ("GET", "POST", "DELETE", "HEAD", "OPTIONS") else "other"
        self._requests.labels(path, known, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_answer(self, query: Query) -> None:
        """Count an answer and its tokens."""
        self._answers.labels(query.strategy.value, query.kind).inc()
        self._tokens.labels("prompt").inc(query.tokens_prompt)
        self._tokens.labels("generated").inc(query.tokens_generated)

    def count_pages(self, pages: Sequence[CitedPage]) -> None:
        """Count the pages that an answer cites, each once, and their ages."""
        today = datetime.now(UTC).date()
        for page in {page.citation.document_id: page for page in pages}.values():
            self._cited.labels(page.source.value if page.source else "unknown").inc()
            if page.date is not None:
                self._ages.observe(max(0, (today - date.fromisoformat(page.date)).days))

    def as_text(self) -> bytes:
        """Return all figures in the text format of Prometheus."""
        return generate_latest(self.registry)
