"""A question as any door of the service passes it on, the answer that was given, and its line in the log."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from lorag.answering.generator import Message
from lorag.integrations.mlflow.traces import TracedAnswer
from lorag.knowledge.dates import stated_date
from lorag.releases.record import Release
from lorag.retrieval.index.store import Hit
from lorag.strategies import Requested
from lorag.use_cases.serve.access import Access
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.query_log import Passage, Query, utc_now


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what was said before it, oldest first; `max_new_tokens` can only lower that of params."""

    question: str
    strategy: Requested
    door: str
    where: Mapping[str, str] = field(default_factory=dict)
    as_of: str | None = None
    before: tuple[Message, ...] = ()
    max_new_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Given:
    """An answer with its id and the chunks that were found for it; `limit` is how many tokens the model could write."""

    id: str
    result: AnswerResult
    hits: tuple[Hit, ...]
    release: Release
    asked_as: str
    seconds: float
    limit: int

    @property
    def citations(self) -> list[dict[str, Any]]:
        """The citations as plain values, with the page's title, the headings above the quote, and the chunk's score."""
        found = {hit.chunk.id: hit for hit in self.hits}
        cited = []
        for number, citation in enumerate(self.result.to_json()["citations"], start=1):
            hit = found.get(citation["chunk_id"])
            entry = self.release.documents.get(citation["document_id"])
            more = {"title": entry.title if entry else None, "heading": hit.chunk.context if hit else None}
            cited.append({"number": number, **more, "score": hit.score if hit else None} | citation)
        return cited

    def to_json(self) -> dict[str, Any]:
        """Return the object of /v1/answers: that of `lorag ask --json`, with an id, seconds and richer citations."""
        more = {"id": self.id, "seconds": self.seconds, "asked_as": self.asked_as}
        return more | self.result.to_json() | {"citations": self.citations}


def query_of(
    result: AnswerResult, hits: Sequence[Hit], asked: Asked, access: Access, asked_as: str, seconds: float
) -> Query:
    """Return the line of the log for an answer, with a new id."""
    return Query(
        f"ans_{uuid4().hex}",
        utc_now(),
        access.name,
        asked.door,
        asked_as,
        result.strategy,
        result.answer.text,
        result.answer.kind.value,
        result.answer.reason.value if result.answer.reason else None,
        result.release,
        tuple(map(_passage, hits)),
        tuple(dict.fromkeys(citation.document_id for citation in result.answer.citations)),
        seconds,
        result.answer.prompt_tokens,
        result.answer.generated_tokens,
        result.cost.money,
        result.cost.currency,
    )


def _passage(hit: Hit) -> Passage:
    chunk = hit.chunk
    return Passage(chunk.document_id, chunk.id, chunk.text, stated_date(chunk.metadata))


def traced_of(query: Query, began_ns: int, searched_ns: int) -> TracedAnswer:
    """Return the trace of an answer that was given now; times are in nanoseconds since 1970."""
    tags = {
        "lorag.release": query.release,
        "lorag.strategy": query.strategy.value,
        "lorag.door": query.door,
        "lorag.kind": query.kind,
        "lorag.query": query.id,
    }
    tokens = {"tokens_prompt": query.tokens_prompt, "tokens_generated": query.tokens_generated}
    chunks = [passage.chunk_id for passage in query.passages]
    name = f"answer {query.strategy}"
    return TracedAnswer(name, query.question, query.answer, began_ns, searched_ns, time.time_ns(), chunks, tokens, tags)
