"""An answer as the page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from urllib.parse import quote, urlencode

from lorag.answering.citations import Citation
from lorag.releases.record import Release
from lorag.service.page.words import KINDS, REASONS
from lorag.use_cases.serve.answer import AnswerResult


@dataclass(frozen=True, slots=True)
class CitationView:
    """A quoted place, and where it can be read; `since` is the oldest retained release with this text of the page."""

    title: str
    document_id: str
    quote: str
    address: str
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
    citations: tuple[CitationView, ...]
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
        tuple(_view_citation(citation, own, releases) for citation in answer.citations),
        own,
        result.release == served_id,
        tuple(release for release in releases if release.id < result.release),
    )


def mark_differences(one: str, other: str) -> tuple[list[Piece], list[Piece]]:
    """Return the words of both texts, with those marked that the other one lacks."""
    left, right = one.split(), other.split()
    found: tuple[list[Piece], list[Piece]] = ([], [])
    for tag, start, end, other_start, other_end in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        for pieces, words in zip(found, (left[start:end], right[other_start:other_end]), strict=True):
            if words:
                pieces.append(Piece(" ".join(words), tag != "equal"))
    return found


def document_address(name: str, release: str, citation: Citation | None = None) -> str:
    """Return where a document of a release is shown, at a citation if there is one."""
    given: dict[str, str | int] = {"release": release}
    if citation is not None:
        given |= {"chunk": citation.chunk_id, "start": citation.start, "end": citation.end}
    return f"/documents/{quote(name)}?{urlencode(given)}" + ("#mark" if citation else "")


def _view_citation(citation: Citation, own: Release | None, releases: Sequence[Release]) -> CitationView:
    name = citation.document_id
    entry = own.documents.get(name) if own else None
    address = document_address(name, own.id if own else "", citation)
    return CitationView(entry.title if entry else name, name, citation.quote, address, _since(name, own, releases))


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
