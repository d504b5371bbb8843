"""MLflow traces of answers, logged afterwards so that they do not affect the measurement."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lorag.integrations.mlflow.tracking import TrackingLocation, connect, failures_mapped, find_experiment

if TYPE_CHECKING:
    from mlflow import MlflowClient

_ADDRESS = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True, slots=True)
class TracedAnswer:
    """A question with its answer; times are in nanoseconds since 1970.

    Until `searched_ns` the context `chunk_ids` was searched; after it the model generated. `tags` name the release.
    `expected` are the accepted answers, and `verdicts` are what the code found about this one, such as right or cited.
    """

    name: str
    question: str
    answer: str
    started_ns: int
    searched_ns: int
    ended_ns: int
    chunk_ids: Sequence[str]
    tokens: Mapping[str, int]
    tags: Mapping[str, str]
    expected: Sequence[str] = ()
    verdicts: Mapping[str, bool] = field(default_factory=dict)


def log_traces(location: TrackingLocation, run_id: str, answers: Sequence[TracedAnswer]) -> None:
    """Log a trace per answer on the run's page, with spans for the search, if there was one, and the generation."""
    with failures_mapped(location):
        client = connect(location)
        experiment_id = client.get_run(run_id).info.experiment_id
        with _global_address(location):
            for answer in answers:
                _log_trace(client, experiment_id, run_id, answer)


def log_served(location: TrackingLocation, experiment: str, answers: Sequence[TracedAnswer]) -> None:
    """Log a trace per answer of the service in the experiment, which is created if it does not exist.

    Raises StoreFailed.
    """
    with failures_mapped(location):
        client = connect(location)
        experiment_id = find_experiment(client, experiment, location)
        with _global_address(location):
            for answer in answers:
                _log_trace(client, experiment_id, None, answer)


def purge_traces(location: TrackingLocation, experiment: str, before_ms: int) -> int:
    """Delete the traces of the experiment that began before that time, and return how many; raises StoreFailed."""
    with failures_mapped(location):
        client = connect(location)
        found = client.get_experiment_by_name(experiment)
        n_deleted = 0
        # MLflow deletes some at a time.
        while found is not None and (n := client.delete_traces(found.experiment_id, max_timestamp_millis=before_ms)):
            n_deleted += n
        return n_deleted


def _log_trace(client: "MlflowClient", experiment_id: str, run_id: str | None, answer: TracedAnswer) -> None:
    root = client.start_trace(
        answer.name,
        span_type="CHAIN",
        inputs={"question": answer.question},
        tags=dict(answer.tags),
        experiment_id=experiment_id,
        start_time_ns=answer.started_ns,
        run_id=run_id,
    )

    def tell(name: str, kind: str, outputs: Any, start_ns: int, end_ns: int, attributes: Mapping[str, Any]) -> None:
        span = client.start_span(
            name,
            root.trace_id,
            root.span_id,
            span_type=kind,
            inputs={"question": answer.question},
            attributes=dict(attributes),
            start_time_ns=start_ns,
        )
        client.end_span(root.trace_id, span.span_id, outputs=outputs, end_time_ns=end_ns)

    if answer.chunk_ids:
        chunks = {"chunk_ids": list(answer.chunk_ids)}
        tell("retrieve", "RETRIEVER", chunks, answer.started_ns, answer.searched_ns, {})
    tell("generate", "LLM", {"answer": answer.answer}, answer.searched_ns, answer.ended_ns, answer.tokens)
    _assess(root, answer)
    client.end_trace(root.trace_id, outputs={"answer": answer.answer}, end_time_ns=answer.ended_ns)


def _assess(root: Any, answer: TracedAnswer) -> None:
    """Add the expectation and each verdict to the trace while it is open, so that all is sent in one request."""
    import mlflow
    from mlflow.entities import AssessmentSource, Expectation, Feedback
    from mlflow.tracing.provider import safe_set_span_in_context

    source = AssessmentSource(source_type="CODE", source_id="lorag")
    with safe_set_span_in_context(root):
        if answer.expected:
            expectation = Expectation(name="expected_response", value=" / ".join(answer.expected), source=source)
            mlflow.log_assessment(root.trace_id, expectation)
        for name, verdict in answer.verdicts.items():
            mlflow.log_assessment(root.trace_id, Feedback(name=name, value=verdict, source=source))


@contextmanager
def _global_address(location: TrackingLocation) -> Iterator[None]:
    # Spans go to MLflow's global address, no matter which client made them.
    import mlflow

    before = os.environ.get(_ADDRESS)
    mlflow.set_tracking_uri(location.uri)
    try:
        yield
        mlflow.flush_trace_async_logging()
    finally:
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]  # None resets it
        if before is not None:
            os.environ[_ADDRESS] = before
