"""An answer as the page shows it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from urllib.parse import quote, urlencode

from lorag.answering.citations import Citation
from lorag.knowledge.chunking.sections import SEPARATOR
from lorag.releases.record import Release
from lorag.service.page.words import KINDS, REASONS
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.cited_pages import CitedPage

_WORD = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A quoted sentence, the headings above it below the title, and the address of its place in the document."""

    text: str
    heading: str
    address: str


@dataclass(frozen=True, slots=True)
class CitedView:
    """A cited document with all its quotes; `page` says how old it is and what became of it in the source."""

    document_id: str
    title: str
    address: str
    quotes: tuple[QuoteView, ...]
    page: CitedPage


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer with the release that it came from; `id` is empty if no verdict can be given on it.

    `release` is None if its record is no longer retained. `older` are releases that can be asked the same. `near` are
    the documents nearest to a declined question.
    """

    result: AnswerResult
    id: str
    kind: str
    says: str
    reason: str
    cited: tuple[CitedView, ...]
    release: Release | None
    is_served: bool
    older: tuple[Release, ...]
    near: tuple[CitedView, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Some words of an answer; `is_own` if the other answer lacks them."""

    text: str
    is_own: bool


def view_answer(result: AnswerResult, releases: Sequence[Release], served_id: str | None, name: str = "") -> AnswerView:
    """Return what is shown of an answer; `releases` come newest first."""
    answer = result.answer
    kind, says = KINDS[answer.kind]
    own = next((release for release in releases if release.id == result.release), None)
    return AnswerView(
        result,
        name,
        kind,
        says,
        REASONS[answer.reason] if answer.reason else "",
        _view_cited(result.pages, own),
        own,
        result.release == served_id,
        tuple(release for release in releases if release.id < result.release),
        _view_cited([CitedPage(citation, None, None) for citation in answer.nearest], own),
    )


def mark_differences(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Return the words of both texts, with those marked that the other one lacks."""
    left, right = _WORD.findall(one), _WORD.findall(other)
    bare_left, bare_right = ([word.strip() for word in words] for words in (left, right))
    found: tuple[list[Piece], list[Piece]] = ([], [])
    matcher = SequenceMatcher(None, bare_left, bare_right, autojunk=False)
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        for pieces, words in zip(found, (left[start:end], right[other_start:other_end]), strict=True):
            if words:
                pieces.append(Piece("".join(words), tag != "equal"))
    return found


def document_address(name: str, release: str, citation: Citation | None = None) -> str:
    """Return where a document of a release is shown, at a citation if there is one."""
    given: dict[str, str | int] = {"release": release}
    if citation is not None:
        given |= {"chunk": citation.chunk_id, "start": citation.start, "end": citation.end}
    return f"/documents/{quote(name)}?{urlencode(given)}" + ("#mark" if citation else "")


def _view_cited(pages: Sequence[CitedPage], own: Release | None) -> tuple[CitedView, ...]:
    """Return the cited documents in the order of their first citation."""
    release = own.id if own else ""
    grouped: dict[str, list[CitedPage]] = {}
    for page in pages:
        grouped.setdefault(page.citation.document_id, []).append(page)
    found = []
    for name, cited in grouped.items():
        entry = own.documents.get(name) if own else None
        title = entry.title if entry else name
        quotes = tuple(_view_quote(page.citation, title, release) for page in cited)
        found.append(CitedView(name, title, quotes[0].address, quotes, cited[0]))
    return tuple(found)


def _view_quote(citation: Citation, title: str, release: str) -> QuoteView:
    # The title stands above the quotes already.
    heading = citation.heading.removeprefix(title).removeprefix(SEPARATOR)
    return QuoteView(citation.quote, heading, document_address(citation.document_id, release, citation))
