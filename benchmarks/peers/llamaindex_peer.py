"""LlamaIndex's `IngestionPipeline`: document store with upserts and deletes, cache, and its default vector store.

Two ways to give it the same chunks:

- by document, as its documentation does: one `Document` per file, which the first transformation splits into nodes.
  Here that transformation returns the chunks that were cut before, and a changed file is embedded as a whole.
- by chunk: each chunk is a separate `Document` with lorag's chunk id, which depends on its content. LlamaIndex then
  skips the unchanged chunks of a changed file, because of lorag's ids and not its own method.

`HuggingFaceEmbedding` is used as documented, with its default batches. Saving, which writes JSON, is not counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inputs import Piece, model_folder, read_pieces
from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import BaseNode, Document, NodeRelationship, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from measured import EncodeMeter, Run, Work
from pydantic import PrivateAttr


class PrecutChunks(TransformComponent):
    """A transformation of a document into the chunks that were cut before."""

    _pieces: dict[str, list[Piece]] = PrivateAttr()

    def __init__(self, pieces: dict[str, list[Piece]]) -> None:
        super().__init__()
        self._pieces = pieces

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Return one node per chunk, with its document as the source."""
        return [
            TextNode(
                id_=piece.id,
                text=piece.text,
                relationships={NodeRelationship.SOURCE: node.as_related_node_info()},
            )
            for node in nodes
            for piece in self._pieces[node.node_id]
        ]


class AsItIs(TransformComponent):
    """A transformation of each document into one node whose source is that document."""

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """Return one node per document."""
        return [
            TextNode(
                id_=f"{node.node_id}-node",
                text=node.get_content(),
                relationships={NodeRelationship.SOURCE: node.as_related_node_info()},
            )
            for node in nodes
        ]


def prepare(phase: str, state: Path, corpus: Path, *, by_chunk: bool) -> Run:
    """Load model, saved state and documents; return the function that ingests them."""
    pieces = read_pieces(corpus, phase)
    embedder = HuggingFaceEmbedding(model_name=model_folder(), device="cpu")
    embedder.get_text_embedding_batch(["warm-up"])
    by_document: dict[str, list[Piece]] = defaultdict(list)
    for piece in pieces:
        by_document[piece.document_id].append(piece)
    if by_chunk:
        documents = [Document(id_=piece.id, text=piece.text) for piece in pieces]
    else:
        documents = [
            Document(id_=name, text="\n\n".join(piece.text for piece in parts)) for name, parts in by_document.items()
        ]
    saved = state / "vectors.json"
    store = SimpleVectorStore.from_persist_path(str(saved)) if saved.exists() else SimpleVectorStore()
    pipeline = IngestionPipeline(
        transformations=[AsItIs() if by_chunk else PrecutChunks(by_document), embedder],
        docstore=SimpleDocumentStore(),
        docstore_strategy=DocstoreStrategy.UPSERTS_AND_DELETE,
        vector_store=store,
    )
    if saved.exists():
        pipeline.load(str(state / "pipeline"))
    meter = EncodeMeter()
    meter.install()

    def save() -> None:
        pipeline.persist(str(state / "pipeline"))
        store.persist(str(saved))

    def run() -> Work:
        pipeline.run(documents=documents)
        return Work(meter.n_texts, len(store.data.embedding_dict), {"embed": meter.seconds}, save)

    return run
