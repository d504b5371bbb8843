"""An answer's text with the numbers of its citations, cut where the client wants it to stop."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from lorag.answering.generator import StopStrings
from lorag.answering.marks import Marked, mark_citations
from lorag.answering.strategies import AnswerKind
from lorag.service.asked import Given
from lorag.use_cases.serve.read_document import anchor_of


def annotations_of(given: Given, marked: Marked) -> list[dict[str, Any]]:
    """Return the citations as OpenAI's `url_citation`; the address is that of the page in this service."""
    return [
        {
            "type": "url_citation",
            "url": page_address(citation),
            "title": citation["title"] or citation["document_id"],
            "start_index": start,
            "end_index": end,
        }
        for citation, (start, end) in zip(given.citations, marked.places, strict=True)
    ]


def page_address(citation: dict[str, Any]) -> str:
    """Return the path of a citation's page, with the anchor of the last heading above the quote."""
    headings = (citation["heading"] or "").split(" > ")
    anchor = f"#{anchor_of(headings[-1])}" if len(headings) > 1 else ""
    return f"/v1/documents/{quote(citation['document_id'])}{anchor}"


def extension_of(given: Given, ignored: Sequence[str]) -> dict[str, Any]:
    """Return what OpenAI's form has no place for: strategy, kind, citations, release, cost, and unused messages."""
    whole = given.to_json()
    names = ("id", "strategy", "routed", "kind", "reason", "citations", "release", "past", "seconds", "asked_as")
    return {name: whole[name] for name in (*names, "cost")} | {"ignored": list(ignored)}


def finish_reason(given: Given) -> str:
    """Return `length` if the model was cut off and its words are shown, otherwise `stop`."""
    answer = given.result.answer
    is_cut = answer.kind is AnswerKind.GENERATED and answer.generated_tokens >= given.limit
    return "length" if is_cut else "stop"


@dataclass(slots=True)
class Cutter:
    """The text of a stream up to a stop string; what may become one is held back."""

    stop: StopStrings
    show: Callable[[str], None]
    text: str = ""
    ended: bool = False
    _shown: int = field(default=0)

    def add(self, piece: str) -> None:
        """Take the next piece."""
        if self.ended:
            return
        self.text += piece
        end = self.stop.find_end(self.text)
        if end is not None:
            self.text, self.ended = self.text[:end], True
        self._show(len(self.text) if self.ended else self.stop.settled(self.text))

    def finish(self) -> None:
        """Show what was held back."""
        self._show(len(self.text))

    def _show(self, end: int) -> None:
        if end > self._shown:
            self.show(self.text[self._shown : end])
            self._shown = end


def shown_text(given: Given, stop: StopStrings) -> tuple[Marked, bool]:
    """Return the text with its marks, up to a stop string, and whether one cut it.

    Behind it is what the answer says about the past: clients of OpenAI show nothing else.
    """
    marked = mark_citations(given.result.answer.text, given.citations)
    if note := given.result.past_note:
        marked = Marked(f"{marked.text}\n\n{note}", marked.places)
    end = stop.find_end(marked.text)
    if end is None:
        return marked, False
    return Marked(marked.text[:end], tuple((min(a, end), min(b, end)) for a, b in marked.places)), True
