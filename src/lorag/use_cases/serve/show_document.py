"""A document of an open release as its indexed passages, in reading order where that is known."""

import json
from dataclasses import dataclass

from lorag.errors import WorkspaceError
from lorag.knowledge.artifacts import document_from_json
from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import Filter
from lorag.use_cases.serve.serve import Served
from lorag.workspace import Workspace

_MOST_PASSAGES = 2_000


@dataclass(frozen=True, slots=True)
class ShownDocument:
    """The passages of a document in a release.

    `in_order` is false if the document changed after that release, so that its reading order is not known.
    """

    id: str
    title: str
    version: str
    passages: tuple[Chunk, ...]
    in_order: bool


def show_document(name: str, served: Served, workspace: Workspace, where: Filter = Filter()) -> ShownDocument:
    """Return the document of that id; raises WorkspaceError if the release or `where` has no such document."""
    entry = served.release.documents.get(name)
    searcher = served.searcher
    passages: list[Chunk] = []
    if entry is not None:
        # Any vector does: the filter decides, inside the store.
        (vector,) = searcher.embed([entry.title or name])
        wanted = Filter((name,), where.metadata)
        hits = searcher.store.search_vector(searcher.ref, vector, _MOST_PASSAGES, where=wanted, exact=True)
        passages = [hit.chunk for hit in hits]
    if entry is None or not passages:
        raise WorkspaceError(
            f"no document {name!r} in release {served.release.id}", do="look at the documents of another release"
        )
    text = _text_of(name, entry.version, workspace)
    if text is None:
        passages.sort(key=lambda chunk: (chunk.context, chunk.id))
    else:
        passages.sort(key=lambda chunk: _place(chunk, text))
    return ShownDocument(name, entry.title, entry.version, tuple(passages), text is not None)


def _text_of(name: str, version: str, workspace: Workspace) -> str | None:
    """Return the text of the pipeline's document if it is the one of the release; None otherwise."""
    named = json.dumps(name, ensure_ascii=False)
    try:
        with workspace.documents_file.open(encoding="utf-8", errors="surrogatepass") as file:
            for line in file:
                if named not in line:
                    continue
                document = document_from_json(json.loads(line))
                if document.id == name:
                    return document.text if document.version == version else None
    except (OSError, ValueError, KeyError):
        pass
    return None


def _place(chunk: Chunk, text: str) -> tuple[int, str]:
    for part in (chunk.text, chunk.text[:200], chunk.text[:60], chunk.text.split("\n", 1)[0]):
        if (at := text.find(part)) >= 0:
            return at, chunk.id
    return len(text), chunk.id
