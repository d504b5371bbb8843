"""What the service was asked and what it answered, and the questions that somebody should look at."""

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from lorag.errors import NotThere
from lorag.questions.words import normalise
from lorag.releases.forgotten import read_forgotten
from lorag.strategies import Strategy
from lorag.workspace import Workspace

_REMEMBERED = 10_000


class Verdict(StrEnum):
    """What is known of an answer: what somebody said of it, or that it was declined."""

    RIGHT = "right"
    WRONG = "wrong"
    STALE = "stale"
    NOT_IN_DOCUMENTS = "not_in_documents"
    DECLINED = "declined"


@dataclass(frozen=True, slots=True)
class Passage:
    """A chunk that was found for a question; in the log of queries without its text.

    `date` (YYYY-MM-DD) is the one that its page states, None if it states none.
    """

    document_id: str
    chunk_id: str
    text: str
    date: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """A question to the service with its answer. `door` is how it came in: answers, chat, responses, mcp or page."""

    id: str
    asked_utc: str
    key: str
    door: str
    question: str
    strategy: Strategy
    answer: str
    kind: str
    reason: str | None
    release: str
    passages: tuple[Passage, ...]
    cited: tuple[str, ...]
    seconds: float
    tokens_prompt: int
    tokens_generated: int
    money: float
    currency: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the plain values of a line; raises KeyError or TypeError for others."""
        passages = tuple(Passage(**passage) for passage in value["passages"])
        return cls(
            **{**value, "strategy": Strategy(value["strategy"]), "passages": passages, "cited": (*value["cited"],)}
        )


@dataclass(frozen=True, slots=True)
class QuestionCandidate:
    """A question that may become a test question once a person has looked at it; nothing adds it by itself.

    `passages` are those that the search found in `release`, best first. `query` is the id of the answer. `comment` is
    what somebody wrote with the verdict, empty if nothing.
    """

    id: str
    query: str
    noted_utc: str
    verdict: Verdict
    question: str
    strategy: Strategy
    answer: str
    kind: str
    reason: str | None
    release: str
    passages: tuple[Passage, ...]
    key: str
    comment: str = ""


def read_candidates(file: Path) -> list[QuestionCandidate]:
    """Return the candidates of a file, oldest first; none if it does not exist. A damaged line is left out."""
    found = []
    for value in read_lines(file):
        try:
            passages = tuple(Passage(**passage) for passage in value["passages"])
            verdict, strategy = Verdict(value["verdict"]), Strategy(value["strategy"])
            found.append(QuestionCandidate(**{**value, "passages": passages, "verdict": verdict, "strategy": strategy}))
        except (KeyError, TypeError, ValueError):
            continue
    return found


def read_queries(file: Path) -> list[Query]:
    """Return the queries of a log, oldest first; none if it does not exist. A damaged line is left out."""
    found = []
    for value in read_lines(file):
        try:
            found.append(Query.from_json(value))
        except (KeyError, TypeError, ValueError):
            continue
    return found


@dataclass(slots=True)
class QueryLog:
    """The two files of a workspace; threads may share it.

    Questions are kept for `keep_days`; older ones are dropped when it opens. With 0 no question is written, and no
    answer can be marked. What a forgotten document had a part in is neither written nor marked.
    """

    workspace: Workspace
    keep_days: float
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _known: OrderedDict[str, Query] = field(default_factory=OrderedDict)
    _declined: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.keep_days:
            oldest = datetime.fromtimestamp(time.time() - self.keep_days * 86_400, UTC).isoformat()
            _drop_before(self.workspace.queries_file, "asked_utc", oldest)
            _drop_before(self.workspace.question_candidates_file, "noted_utc", oldest)
            for query in read_queries(self.workspace.queries_file)[-_REMEMBERED:]:
                self._known[query.id] = query
        for candidate in read_candidates(self.workspace.question_candidates_file):
            self._declined.add((candidate.release, normalise(candidate.question)))

    def add(self, query: Query) -> None:
        """Write a query; one that was declined also becomes a candidate, once for each release."""
        if not self.keep_days or self.is_forgotten(query):
            return
        with self._lock:
            # The texts of passages are kept with candidates only: elsewhere they would outlive their documents.
            named = tuple(replace(passage, text="") for passage in query.passages)
            append_line(self.workspace.queries_file, asdict(replace(query, passages=named)))
            self._known[query.id] = query
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        place = (query.release, normalise(query.question))
        if query.kind == "declined" and place not in self._declined:
            self._declined.add(place)
            self._note(query, Verdict.DECLINED, "", query.key)

    def mark(self, query_id: str, verdict: Verdict, comment: str, key: str, *, of_any_key: bool) -> QuestionCandidate:
        """Write a candidate for an answer; raises NotThere for one that is unknown, or was given to another key."""
        with self._lock:
            query = self._known.get(query_id)
        if query is None or not (of_any_key or query.key == key) or self.is_forgotten(query):
            raise NotThere(
                f"no answer {query_id!r}", where="answer_id", do="take the `id` of an answer that this key was given"
            )
        return self._note(query, verdict, comment, key)

    def is_forgotten(self, query: Query) -> bool:
        """Whether a document was found for the query, or cited, that was forgotten since."""
        forgotten = read_forgotten(self.workspace.state)
        return any(forgotten.names(name) for name in (*(each.document_id for each in query.passages), *query.cited))

    def _note(self, query: Query, verdict: Verdict, comment: str, key: str) -> QuestionCandidate:
        candidate = QuestionCandidate(
            f"cand_{uuid4().hex}",
            query.id,
            utc_now(),
            verdict,
            query.question,
            query.strategy,
            query.answer,
            query.kind,
            query.reason,
            query.release,
            query.passages,
            key,
            comment,
        )
        with self._lock:
            append_line(self.workspace.question_candidates_file, asdict(candidate))
        return candidate


def utc_now() -> str:
    """Return the time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def read_lines(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file of JSON lines, none if it does not exist; a damaged line is left out."""
    try:
        text = file.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return
    for line in text.split("\n"):
        try:
            value = json.loads(line)
        # The last line of a killed process may be half.
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def append_line(file: Path, value: Mapping[str, Any]) -> None:
    """Add an object to a file of JSON lines that only this user can read; several processes may do so."""
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_APPEND | os.O_RDWR, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        # A killed process may have left half a line, which must not take the next one with it.
        begin = "" if size == 0 or os.pread(descriptor, 1, size - 1) == b"\n" else "\n"
        os.write(descriptor, (begin + json.dumps(value, ensure_ascii=True) + "\n").encode())
    finally:
        os.close(descriptor)


def _drop_before(file: Path, name: str, oldest: str) -> None:
    lines = list(read_lines(file))
    kept = [value for value in lines if str(value.get(name, "")) >= oldest]
    if len(kept) < len(lines):
        temporary = file.with_name(f".{file.name}.tmp")
        temporary.unlink(missing_ok=True)
        for value in kept:
            append_line(temporary, value)
        temporary.touch(mode=0o600)
        temporary.replace(file)
