"""The figures of the service for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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

    def as_text(self) -> bytes:
        """Return all figures in the text format of Prometheus."""
        return generate_latest(self.registry)
