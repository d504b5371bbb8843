"""The artifacts of the pipeline, as all other use cases read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from lorag.errors import IntegrityFailed
from lorag.knowledge.artifacts import read_chunks, read_documents
from lorag.knowledge.documents import Chunk, Document
from lorag.retrieval.index.store import IndexRow
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Wanted:
    """The artifacts of the pipeline, which are what the index should hold.

    `vectors` [n_chunks, dimension] float32 belong to `chunks` by position.
    """

    documents: Sequence[Document]
    chunks: Sequence[Chunk]
    vectors: NDArray[np.float32]
    fingerprint: str

    def rows(self, chunk_ids: Sequence[str]) -> list[IndexRow]:
        """Return the rows of these chunks."""
        positions = {chunk.id: position for position, chunk in enumerate(self.chunks)}
        return [IndexRow(self.chunks[positions[i]], self.fingerprint, self.vectors[positions[i]]) for i in chunk_ids]


def load_wanted(workspace: Workspace) -> Wanted:
    """Return the artifacts of the pipeline."""
    vectors, fingerprint = load_embeddings(workspace.embeddings_file)
    return Wanted(read_documents(workspace.documents_file), read_chunks(workspace.chunks_file), vectors, fingerprint)


def save_embeddings(path: Path, vectors: NDArray[np.float32], fingerprint: str) -> None:
    """Write `vectors` [n_chunks, dimension] float32, one row per chunk; the header has the embedder's fingerprint."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"embeddings": np.ascontiguousarray(vectors)}, path, metadata={"fingerprint": fingerprint})


def load_embeddings(path: Path) -> tuple[NDArray[np.float32], str]:
    """Return what `save_embeddings` wrote; raise IntegrityFailed for a damaged file."""
    from safetensors import safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            fingerprint = (file.metadata() or {}).get("fingerprint", "")
        return load_file(path)["embeddings"], fingerprint
    except (SafetensorError, KeyError) as error:
        raise IntegrityFailed(
            f"damaged embeddings: {error}", where=path.name, do="run `dvc repro --force embeddings`"
        ) from error
