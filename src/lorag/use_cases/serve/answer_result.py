"""An answer with its release, its cited pages and its cost, as every door of lorag gives it."""

from dataclasses import dataclass
from typing import Any

from lorag.answering.disagreement import QuotedFrom, find_disagreement
from lorag.answering.strategies import Answer
from lorag.costs.records import Cost
from lorag.params import Params
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import Strategy
from lorag.use_cases.serve.auto import Routed
from lorag.use_cases.serve.candidates import FoundAdapter
from lorag.use_cases.serve.cited_pages import CitedPage, SourceState, look_up_pages
from lorag.use_cases.serve.past import Past
from lorag.use_cases.serve.serve import Served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """An answer with its release and its cost, which includes opening models and index.

    `adapter` is the id of the adapter that answered, None without one. `adapter_served` says whether it is the one
    that the release serves. `pages` are the answer's citations, in their order, with the age of their pages.
    `release_served` is false for an answer from another release than the one in service. `routed` says why this
    strategy answered; None if it was asked for by name. `past` says which release answers a question about the past;
    None for every other question.
    """

    question: str
    strategy: Strategy
    answer: Answer
    release: str
    fell_back_from: str | None
    cost: Cost
    adapter: str | None = None
    adapter_served: bool | None = None
    pages: tuple[CitedPage, ...] = ()
    release_served: bool = True
    routed: Routed | None = None
    past: Past | None = None

    @property
    def changed_since(self) -> bool:
        """Whether a cited page is known to have changed in the source, or to be gone, since the release."""
        return any(page.source in (SourceState.CHANGED, SourceState.REMOVED) for page in self.pages)

    @property
    def differing(self) -> tuple[int, int] | None:
        """The numbers, from 1, of two citations of different pages that give different values; None if none do."""
        quotes = [
            QuotedFrom(page.citation.document_id, page.citation.heading, page.citation.quote) for page in self.pages
        ]
        found = find_disagreement(self.question, quotes)
        return (found[0] + 1, found[1] + 1) if found else None

    @property
    def past_note(self) -> str | None:
        """What has to be said of the past beside the answer; None for an ordinary question, or if it is the answer."""
        return self.past.says if self.past and self.past.says != self.answer.text else None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag ask --json` prints."""
        return {
            "question": self.question,
            "strategy": self.strategy,
            "routed": self.routed.to_json() if self.routed else None,
            "answer": self.answer.text,
            "kind": self.answer.kind,
            "reason": self.answer.reason,
            "withheld": self.answer.withheld,
            "abstained": self.answer.abstained,
            "supported": self.answer.supported,
            "citations": [page.to_json() for page in self.pages],
            "differing": self.differing,
            "changed_since": self.changed_since,
            "nearest": [
                {"document_id": each.document_id, "heading": each.heading, "quote": each.quote}
                for each in self.answer.nearest
            ],
            "release": self.release,
            "release_served": self.release_served,
            "past": self.past.to_json() if self.past else None,
            "fell_back_from": self.fell_back_from,
            "adapter": self.adapter,
            "adapter_served": self.adapter_served,
            "cost": self.cost.to_json(),
        }


def result_of(
    question: str,
    strategy: Strategy,
    answer: Answer,
    served: Served,
    named: FoundAdapter | None,
    cost: Cost,
    workspace: Workspace,
    params: Params,
    *,
    read: Served | None = None,
) -> AnswerResult:
    """Return the answer with its cited pages, and the adapter that gave it: the named one, else that of the release.

    `read` is the release that the answer is from, if it may be another one than that of the adapter.
    """
    read = read or served
    kind = strategy.profile.adapter
    entry = served.release.adapters[kind] if kind and named is None else named
    is_served = None if entry is None else named is None or named.is_served
    return AnswerResult(
        question=question,
        strategy=strategy,
        answer=answer,
        release=read.release.id,
        fell_back_from=served.fell_back_from,
        cost=cost,
        adapter=entry.id if entry else None,
        adapter_served=is_served,
        pages=look_up_pages(answer.citations, answer.newer, read.release, workspace, params),
        release_served=_is_served(read, workspace),
    )


def _is_served(served: Served, workspace: Workspace) -> bool:
    return ReleaseShelf(workspace.state).used_id() == served.release.id
