"""What a person decided about a candidate: a line in the file of candidates, which has its id and a status."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from lorag.use_cases.serve.query_log import QuestionCandidate, append_line, read_candidates, read_lines


class Failure(StrEnum):
    """What went wrong in an answer, as the person says who makes a test question of it."""

    SEARCH_MISSED = "search_missed"
    READER_IGNORED = "reader_ignored"
    QUOTED_WRONG = "quoted_wrong"
    SHOULD_HAVE_DECLINED = "should_have_declined"


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about the candidate of this id: `status` is accepted or dropped."""

    id: str
    status: str
    failure: Failure | None
    reviewed_by: str
    noted_utc: str


def open_candidates(file: Path) -> list[QuestionCandidate]:
    """Return the candidates that nobody decided about, oldest first."""
    decided = {value.get("id") for value in read_lines(file) if "status" in value}
    return [candidate for candidate in read_candidates(file) if candidate.id not in decided]


def write_decisions(file: Path, decisions: Sequence[Decision]) -> None:
    """Append the decisions; the service may append candidates meanwhile."""
    for decision in decisions:
        append_line(file, asdict(decision))
