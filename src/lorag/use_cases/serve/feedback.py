"""What people say of answers: a line for each verdict, for somebody who makes test questions of them later."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from lorag.errors import StoreFailed
from lorag.releases.durable import fsync_folder
from lorag.use_cases.serve.answer import AnswerResult
from lorag.workspace import Workspace

_LONGEST_LINE = 200_000


class Verdict(StrEnum):
    """What somebody says of an answer."""

    RIGHT = "right"
    WRONG = "wrong"
    STALE = "stale"
    NOT_IN_DOCUMENTS = "not_in_documents"


@dataclass(frozen=True, slots=True)
class Feedback:
    """A verdict on an answer, with what the answer came from.

    `passages` are the ids of the chunks that the model read, best first; `cited` the documents of its citations.
    `release` is the id of the release that answered.
    """

    noted_utc: str
    verdict: Verdict
    question: str
    strategy: str
    answer: str
    kind: str
    release: str
    passages: tuple[str, ...]
    cited: tuple[str, ...]

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read a line of the file; raises KeyError, ValueError or TypeError for another one."""
        passages, cited = tuple(value["passages"]), tuple(value["cited"])
        return cls(**{**value, "verdict": Verdict(value["verdict"]), "passages": passages, "cited": cited})


def feedback_file(workspace: Workspace) -> Path:
    """Return the file of all verdicts; it is in the state, so it is never versioned and never a question by itself."""
    return workspace.state / "feedback.jsonl"


def record_feedback(verdict: Verdict, result: AnswerResult, workspace: Workspace) -> Feedback:
    """Append the verdict to the workspace's feedback; raises StoreFailed if it cannot be written."""
    answer = result.answer
    noted = Feedback(
        noted_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        verdict=verdict,
        question=result.question,
        strategy=result.strategy.value,
        answer=answer.text,
        kind=answer.kind.value,
        release=result.release,
        passages=answer.context,
        cited=tuple(dict.fromkeys(citation.document_id for citation in answer.citations)),
    )
    path = feedback_file(workspace)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with path.open("ab+") as file:
            # After a power failure the last line may have no end, and this one must not be part of it.
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            start = b"" if file.read(1) in (b"", b"\n") else b"\n"
            # One write of one line, so that two processes do not mix their lines.
            file.write(start + json.dumps(asdict(noted)).encode() + b"\n")
        if is_new:
            path.chmod(0o600)
            fsync_folder(path.parent)
    except OSError as error:
        raise StoreFailed(
            f"the feedback cannot be kept: {error.strerror or error}", where=path.name, do="free disk space"
        ) from error
    return noted


def read_feedback(workspace: Workspace) -> Sequence[Feedback]:
    """Return the verdicts, newest first; a damaged line, as after a power failure, is left out."""
    found: list[Feedback] = []
    try:
        with feedback_file(workspace).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    found.append(Feedback.from_json(json.loads(line[:_LONGEST_LINE])))
                except (ValueError, KeyError, TypeError):
                    continue
    except FileNotFoundError:
        return []
    return found[::-1]
