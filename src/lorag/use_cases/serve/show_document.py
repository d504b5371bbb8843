"""A document of an open release as its indexed passages, in reading order where that is known."""

from dataclasses import dataclass

from lorag.knowledge.documents import Chunk
from lorag.releases.record import Release
from lorag.retrieval.index.store import Filter
from lorag.use_cases.serve.read_document import DocumentTexts, find_chunks
from lorag.use_cases.serve.serve import Served


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """The passages of a document in a release.

    `in_order` is false if the document changed after that release, so that its reading order is not known.
    """

    id: str
    title: str
    version: str
    release: Release
    passages: tuple[Chunk, ...]
    in_order: bool


def show_document(document_id: str, served: Served, texts: DocumentTexts, where: Filter) -> ShownDocument:
    """Return the passages that `where` selects of a document; raises NotThere if there are none."""
    entry, passages = find_chunks(document_id, served, where)
    document = texts.find(document_id, entry.version)
    if document is None:
        passages.sort(key=lambda chunk: (chunk.context, chunk.id))
    else:
        text = document.text
        passages.sort(key=lambda chunk: _place(chunk, text))
    return ShownDocument(document_id, entry.title, entry.version, served.release, tuple(passages), document is not None)


def _place(chunk: Chunk, text: str) -> tuple[int, str]:
    for part in (chunk.text, chunk.text[:200], chunk.text[:60], chunk.text.split("\n", 1)[0]):
        if (at := text.find(part)) >= 0:
            return at, chunk.id
    return len(text), chunk.id
