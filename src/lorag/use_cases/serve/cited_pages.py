"""What a reader should know of a cited page: how old its content is, and whether its source has changed since."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from lorag.answering.citations import Citation
from lorag.errors import InputRejected, StoreFailed
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.parsing.source_folder import SourceListing, list_files, list_source
from lorag.knowledge.chunking.sections import SEPARATOR
from lorag.knowledge.documents import BLOCK_GAP, BlockKind, Document
from lorag.knowledge.formats import RECORDS
from lorag.params import Params
from lorag.releases.record import DocumentEntry, Release
from lorag.use_cases.refresh.load_corpus import load_files
from lorag.use_cases.refresh.pipeline import Parses
from lorag.workspace import Workspace

_MOST_BYTES = 2_000_000
"""A larger file is not looked at, so that an answer does not wait for it."""


class SourceState(StrEnum):
    """What became of a page in the source since the release that answers."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class CitedPage:
    """A citation with the age of its page.

    `date` (YYYY-MM-DD) is the date in the page's front matter, else the date of the release that first had its present
    content; `generation` is the number of that release. Both are None if the release does not say it. `source` is None
    if the source is not there, or if the page's file is larger than 2 MB. The quote is `text[start:end]` of the
    document's text for `document_span`; it is None unless the source is unchanged, and for a value of the front matter.
    `newer` is the id of a later state of the page that was found too, None without one.
    """

    citation: Citation
    date: str | None
    generation: int | None
    source: SourceState | None = None
    document_span: tuple[int, int] | None = None
    newer: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain values, all on one level."""
        values = asdict(self.citation)
        stated = values.pop("page_date")
        start, end = self.document_span or (None, None)
        return {
            **values,
            "document_start": start,
            "document_end": end,
            "date": self.date,
            "date_from": "front matter" if stated else "release" if self.date else None,
            "generation": self.generation,
            "source": self.source,
            "newer": self.newer,
        }


def look_up_pages(
    citations: Sequence[Citation], newer: Mapping[str, str], release: Release, workspace: Workspace, params: Params
) -> tuple[CitedPage, ...]:
    """Return each citation with the age of its page, and compare the pages with the source.

    `newer` maps documents to their later states.
    Only the files of the cited pages are read. A file whose bytes were parsed before is not parsed again.
    """
    names = list(dict.fromkeys(citation.document_id for citation in citations))
    states, found = _compare(names, release.documents, workspace, params)
    pages = []
    for citation in citations:
        entry = release.documents[citation.document_id]
        since = entry.since_utc[:10] if entry.since_utc else None
        state = states.get(citation.document_id)
        span = _span_of(citation, found[citation.document_id]) if state is SourceState.UNCHANGED else None
        later = newer.get(citation.document_id)
        pages.append(CitedPage(citation, citation.page_date or since, entry.generation, state, span, later))
    return tuple(pages)


def _compare(
    names: Sequence[str], documents: Mapping[str, DocumentEntry], workspace: Workspace, params: Params
) -> tuple[dict[str, SourceState], dict[str, Document]]:
    """Return the state of each page that is known, and the pages as the source has them now."""
    source = workspace.resolve(params.knowledge.origin or params.knowledge.source)
    try:
        listing = _list(source, names) if names else None
    except (InputRejected, OSError):
        return {}, {}
    if listing is None:
        return {}, {}
    small = tuple(file for file in listing.files if _size(listing.root.joinpath(*file.parts)) <= _MOST_BYTES)
    try:
        with BlobCache(workspace.cache_file) as cache, Parses(cache) as parses:
            corpus = load_files(SourceListing(listing.root, small, ()), params.knowledge, cache=parses)
    except StoreFailed:
        # A cache that cannot be written: an answer is worth more than the state of its pages.
        return {}, {}
    # Files with equal bytes are one document with several names.
    found = {name: document for document in corpus.documents for name in document.sources or (document.id,)}
    listed = {file.id for file in listing.files}
    looked_at = {file.id for file in small}
    states = {}
    for name in names:
        if name in found:
            same = found[name].version == documents[name].version
            states[name] = SourceState.UNCHANGED if same else SourceState.CHANGED
        elif name in looked_at:
            states[name] = SourceState.CHANGED
        elif name not in listed and listed <= looked_at and "\\" not in name:
            is_left = source.is_dir() and (source / name).exists()
            states[name] = SourceState.CHANGED if is_left else SourceState.REMOVED
    return states, found


def _list(source: Path, names: Iterable[str]) -> SourceListing | None:
    """Return the files of the pages; None if the source is an empty folder, as one is that is not mounted."""
    if not source.is_dir():
        return list_source(source, max_file_bytes=_MOST_BYTES * 1_000)
    if not any(source.iterdir()):
        return None
    listing = list_files(source.resolve(), names, max_file_bytes=_MOST_BYTES * 1_000)
    if len(listing.files) < len(set(names)) and (source / RECORDS).is_file():
        # A page that is no file may be a record.
        return list_files(source.resolve(), [*names, RECORDS], max_file_bytes=_MOST_BYTES * 1_000)
    return listing


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _span_of(citation: Citation, document: Document) -> tuple[int, int] | None:
    """Return where the quote is in the document's text: below its own heading if it occurs more than once."""
    if citation.field is not None:
        return None
    heading = citation.heading.rpartition(SEPARATOR)[2]
    place, below = 0, 0
    for block in document.blocks:
        if block.kind is BlockKind.HEADING and " ".join(block.text.split()) == heading:
            below = place
            break
        place += len(block.text) + len(BLOCK_GAP)
    at = document.text.find(citation.quote, below)
    at = at if at >= 0 else document.text.find(citation.quote)
    return (at, at + len(citation.quote)) if at >= 0 else None
