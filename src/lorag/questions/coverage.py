"""Coverage: the share of the documents and of the chunks that any training question asks about."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lorag.counted import counted
from lorag.knowledge.documents import Chunk, Document
from lorag.questions.facts import Fact


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the knowledge an adapter was asked about in training; of the rest it can have learned nothing.

    A document is asked about if it is a gold document of a question. A chunk is asked about if it states the answer;
    where no chunk states it literally, the chunk counts only if it is the only one.
    """

    documents: int
    n_documents: int
    chunks: int
    n_chunks: int

    @property
    def documents_share(self) -> float:
        """The share of documents that are asked about, 0..1; 0 without documents."""
        return self.documents / self.n_documents if self.n_documents else 0.0

    @property
    def chunks_share(self) -> float:
        """The share of chunks that are asked about, 0..1; 0 without chunks."""
        return self.chunks / self.n_chunks if self.n_chunks else 0.0

    def line(self) -> str:
        """Return the coverage as text for a person."""
        documents = f"{self.documents} of {counted(self.n_documents, 'document')} ({self.documents_share:.1%})"
        return f"{documents}, {self.chunks} of {counted(self.n_chunks, 'chunk')} ({self.chunks_share:.1%})"

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "documents": self.documents,
            "n_documents": self.n_documents,
            "documents_share": self.documents_share,
            "chunks": self.chunks,
            "n_chunks": self.n_chunks,
            "chunks_share": self.chunks_share,
        }

    def as_metrics(self) -> dict[str, float]:
        """Return `coverage.<name>` for each share."""
        return {"coverage.documents": self.documents_share, "coverage.chunks": self.chunks_share}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read what `to_json` returned."""
        return cls(value["documents"], value["n_documents"], value["chunks"], value["n_chunks"])


def measure_coverage(
    facts: Iterable[Fact], documents: Sequence[Document], chunks: Sequence[Chunk], *, chunk_ids: Iterable[str] = ()
) -> Coverage:
    """Return the coverage of the knowledge by these facts, and by `chunk_ids` that other questions were made from."""
    known_documents, of_chunk = {document.id for document in documents}, {chunk.id: chunk for chunk in chunks}
    asked_documents: set[str] = set()
    asked_chunks = set(chunk_ids) & of_chunk.keys()
    for fact in facts:
        asked_documents |= known_documents & fact.documents.keys()
        if fact.literal or len(fact.gold) == 1:
            asked_chunks |= {chunk.id for chunk in fact.gold} & of_chunk.keys()
    asked_documents |= {of_chunk[name].document_id for name in asked_chunks}
    return Coverage(len(asked_documents), len(documents), len(asked_chunks), len(chunks))
