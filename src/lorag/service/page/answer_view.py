"""An answer as the page shows it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from urllib.parse import quote, urlencode

from lorag.answering.citations import Citation
from lorag.releases.record import Release
from lorag.service.page.words import KINDS, REASONS
from lorag.use_cases.serve.answer import AnswerResult

_WORD = re.compile(r"\S+\s*")


@dataclass(frozen=True, slots=True)
class QuoteView:
    """A quoted sentence, and the address of its place in the document."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class CitedView:
    """A cited document with all its quotes; `since` is the oldest retained release with this text of it."""

    document_id: str
    title: str
    address: str
    quotes: tuple[QuoteView, ...]
    since: Release | None


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer with the release that it came from; `id` is empty if no verdict can be given on it.

    `release` is None if its record is no longer retained. `older` are releases that can be asked the same.
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
        _view_cited(answer.citations, own, releases),
        own,
        result.release == served_id,
        tuple(release for release in releases if release.id < result.release),
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


def _view_cited(
    citations: Sequence[Citation], own: Release | None, releases: Sequence[Release]
) -> tuple[CitedView, ...]:
    """Return the cited documents in the order of their first citation."""
    release = own.id if own else ""
    found = []
    for name in dict.fromkeys(citation.document_id for citation in citations):
        entry = own.documents.get(name) if own else None
        quotes = [
            QuoteView(citation.quote, document_address(name, release, citation))
            for citation in citations
            if citation.document_id == name
        ]
        title = entry.title if entry else name
        found.append(CitedView(name, title, quotes[0].address, tuple(quotes), _since(name, own, releases)))
    return tuple(found)


def _since(name: str, own: Release | None, releases: Sequence[Release]) -> Release | None:
    """Return the oldest release, without a gap before `own`, in which the document was the same."""
    oldest = own
    for release in releases:
        if own is None or release.id >= own.id:
            continue
        before = release.documents.get(name)
        if before is None or before.version != own.documents[name].version:
            break
        oldest = release
    return oldest if own and name in own.documents else None
