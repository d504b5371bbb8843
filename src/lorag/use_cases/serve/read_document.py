"""A document as the served release has it: its text with the places of its headings."""

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lorag.errors import NotThere
from lorag.knowledge.artifacts import document_from_json
from lorag.knowledge.documents import BlockKind, Chunk, Document
from lorag.releases.record import DocumentEntry
from lorag.retrieval.index.store import Filter
from lorag.use_cases.serve.serve import Served


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with its anchor; the section is `text[start:end]`, its heading included."""

    anchor: str
    heading: str
    level: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document of a release. `complete` is false if only its indexed pieces are at hand, whose order is unknown."""

    id: str
    title: str
    version: str
    release: str
    metadata: dict[str, str]
    text: str
    sections: tuple[Section, ...]
    complete: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


@dataclass(slots=True)
class DocumentTexts:
    """The documents of the last pipeline run, read from its file one at a time."""

    file: Path
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _read_at: tuple[int, int] = (0, 0)
    _offsets: dict[str, int] = field(default_factory=dict)

    def find(self, document_id: str, version: str) -> Document | None:
        """Return the document in exactly that version; None if the file has another one or none."""
        try:
            with self._lock, self.file.open("rb") as file:
                self._index()
                if document_id not in self._offsets:
                    return None
                file.seek(self._offsets[document_id])
                document = document_from_json(json.loads(file.readline()))
        # A run writes the file at this moment, or it is damaged: the index has the text too.
        except (OSError, ValueError, KeyError):
            return None
        return document if document.version == version else None

    def _index(self) -> None:
        status = self.file.stat()
        if (status.st_mtime_ns, status.st_size) == self._read_at:
            return
        self._offsets.clear()
        with self.file.open("rb") as file:
            at = 0
            for line in file:
                self._offsets[json.loads(line)["id"]] = at
                at += len(line)
        self._read_at = (status.st_mtime_ns, status.st_size)


def find_chunks(document_id: str, served: Served, where: Filter) -> tuple[DocumentEntry, list[Chunk]]:
    """Return a document's entry in the release and its chunks that `where` selects, sorted by id.

    Raises NotThere for an unknown document, and for one that `where` hides.
    """
    release = served.release
    chunks = served.searcher.store.chunks(release.index, where)
    entry = release.documents.get(document_id)
    if not chunks or entry is None:
        raise NotThere(
            "no such document for this key", where=f"release {release.id}", do="take an id from a citation or a search"
        )
    return entry, chunks


def view_document(document_id: str, served: Served, texts: DocumentTexts, where: Filter) -> DocumentView:
    """Return a document of the release; `where` selects its chunks; raises NotThere as `find_chunks` does."""
    entry, chunks = find_chunks(document_id, served, where)
    document = texts.find(document_id, entry.version)
    text, sections = _lay_out(document) if document else _gather(chunks)
    return DocumentView(
        document_id,
        entry.title,
        entry.version,
        served.release.id,
        dict(chunks[0].metadata),
        text,
        sections,
        document is not None,
    )


def _lay_out(document: Document) -> tuple[str, tuple[Section, ...]]:
    found: list[tuple[str, int, int]] = []
    at = 0
    for block in document.blocks:
        if block.kind is BlockKind.HEADING:
            found.append((block.text, block.level, at))
        at += len(block.text) + 2
    return document.text, _sections(found, len(document.text))


def _gather(chunks: Sequence[Chunk]) -> tuple[str, tuple[Section, ...]]:
    parts: list[str] = []
    found: list[tuple[str, int, int]] = []
    at = 0
    for context in dict.fromkeys(chunk.context for chunk in chunks):
        path = context.split(" > ")
        pieces = [path[-1], *(chunk.text for chunk in chunks if chunk.context == context)]
        found.append((path[-1], len(path), at))
        parts.append("\n\n".join(pieces))
        at += len(parts[-1]) + 2
    text = "\n\n".join(parts)
    return text, _sections(found, len(text))


def _sections(found: Sequence[tuple[str, int, int]], end: int) -> tuple[Section, ...]:
    sections: list[Section] = []
    used: dict[str, int] = {}
    for (heading, level, start), (_, _, until) in zip(found, [*found[1:], ("", 0, end)], strict=True):
        anchor = anchor_of(heading)
        used[anchor] = used.get(anchor, 0) + 1
        if used[anchor] > 1:
            anchor += f"-{used[anchor]}"
        sections.append(Section(anchor, heading, level, start, until if until == end else until - 2))
    return tuple(sections)


def anchor_of(heading: str) -> str:
    """Return the name of a heading in an address: its words in small letters, joined by hyphens."""
    return re.sub(r"[\W_]+", "-", heading.lower()).strip("-") or "section"
