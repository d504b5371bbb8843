"""What a person sees of candidates, and their review by key in a terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.text import Text

from lorag.console.review import review_by_key
from lorag.console.terminal import say

if TYPE_CHECKING:
    # They import numpy, which every command would wait for.
    from lorag.use_cases.draft.review_candidates import CandidateReview
    from lorag.use_cases.serve.query_log import QuestionCandidate

_KEYS = (
    "[m] search missed it  [r] reader ignored it  [w] wrong quote  [n] should have declined  [o] nothing failed  "
    "[d]rop  [s]kip  [q]uit"
)
_FAILURES = {
    "m": "search_missed",
    "r": "reader_ignored",
    "w": "quoted_wrong",
    "n": "should_have_declined",
    "o": "nothing",
}
_SHOWN_PASSAGE = 400


def show_candidates(result: Mapping[str, Any], *, listed: bool) -> None:
    """Print a line for each open candidate if they are `listed`, and the counts."""
    for each in result["candidates"] if listed else ():
        say(f"{each['id']}  {each['verdict']}  {each['question']}  {each['answer'][:80]}")
    n_open, n_decided = len(result["candidates"]), len(result["decided"])
    say(f"{n_open} open, {n_decided} decided now; accepted ones are in {result['questions']}")


def review_candidates_by_key(review: "CandidateReview") -> list[str]:
    """Ask about each open candidate until all are decided or the person quits; return the ids of the decided ones."""
    from lorag.use_cases.draft.review_candidates import decide

    def decide_by(candidate: "QuestionCandidate", key: str) -> list[str] | None:
        if key == "d":
            return decide(review, drop=[candidate.id])
        return _accept(review, candidate, _FAILURES[key]) if key in _FAILURES else None

    return review_by_key(review.read(), _show, _KEYS, decide_by)


def _accept(review: "CandidateReview", candidate: "QuestionCandidate", failure: str) -> list[str]:
    from lorag.use_cases.draft.review_candidates import decide, failure_named, is_to_decline, named_documents

    if is_to_decline(candidate, failure_named(failure)):
        return decide(review, candidate.id, failure)
    answer = click.prompt("Right answer", default=candidate.answer if failure == "nothing" else None)
    page = click.prompt("Page that holds it", default=next(iter(named_documents(candidate)), None))
    return decide(review, candidate.id, failure, answer, page)


def _show(candidate: "QuestionCandidate", place: str) -> None:
    out = Console(highlight=False)
    out.rule(place)
    out.print(Text(candidate.question, style="bold"))
    said = f": {candidate.comment}" if candidate.comment else ""
    out.print(Text(f"{candidate.verdict}{said}, {candidate.strategy}, release {candidate.release}", style="dim"))
    out.print(Text(f"{candidate.kind}: {candidate.answer}", style="green"))
    for passage in candidate.passages:
        out.print(Text(f"{passage.document_id}: {passage.text[:_SHOWN_PASSAGE]}"))
