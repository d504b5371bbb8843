"""LlamaIndex's `IngestionPipeline`: document store with upserts and deletes, cache, and its default vector store.

Two ways to give it the same chunks:

- by document, as its documentation does: one `Document` a file, of which the first transformation makes nodes. Here that
  transformation hands out the chunks that were cut before, and a changed file is embedded whole.
- by chunk: each chunk is a `Document` of its own under lorag's chunk id, which names its content. It spares LlamaIndex
  the unchanged chunks of a changed file, by machinery that is lorag's and not its own.

`HuggingFaceEmbedding` is used as documented, with its default batches. Saving, which writes JSON, is not counted.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llama_index.core.ingestion import DocstoreStrategy, IngestionPipeline
from llama_index.core.schema import BaseNode, Document, NodeRelationship, TextNode, TransformComponent
from llama_index.core.storage.docstore import SimpleDocumentStore
from llama_index.core.vector_stores import SimpleVectorStore
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from pydantic import PrivateAttr

from corpus import model_folder, read_corpus, version_of
from lorag.knowledge.documents import Chunk
from measured import EncodeMeter, Run, Work


class PrecutChunks(TransformComponent):
    """Nodes of a document out of the chunks that were cut before."""

    _chunks: dict[str, list[Chunk]] = PrivateAttr()

    def __init__(self, chunks: dict[str, list[Chunk]]) -> None:
        super().__init__()
        self._chunks = chunks

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """One node a chunk, with its document as the source."""
        return [
            TextNode(
                id_=chunk.id,
                text=chunk.embedded_text,
                relationships={NodeRelationship.SOURCE: node.as_related_node_info()},
            )
            for node in nodes
            for chunk in self._chunks[node.node_id]
        ]


class AsItIs(TransformComponent):
    """Nodes whose source is the document that they are."""

    def __call__(self, nodes: Sequence[BaseNode], **kwargs: Any) -> list[BaseNode]:
        """One node a document."""
        return [
            TextNode(
                id_=f"{node.node_id}-node",
                text=node.get_content(),
                relationships={NodeRelationship.SOURCE: node.as_related_node_info()},
            )
            for node in nodes
        ]


def prepare(phase: str, state: Path, corpus: Path, *, by_chunk: bool) -> Run:
    """Model, saved state and documents, ready to be ingested."""
    _, chunks = read_corpus(corpus, version_of(phase))
    embedder = HuggingFaceEmbedding(model_name=model_folder(), device="cpu")
    embedder.get_text_embedding_batch(["warm-up"])
    by_document: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in chunks:
        by_document[chunk.document_id].append(chunk)
    if by_chunk:
        documents = [Document(id_=chunk.id, text=chunk.embedded_text) for chunk in chunks]
    else:
        documents = [
            Document(id_=name, text="\n\n".join(chunk.embedded_text for chunk in parts))
            for name, parts in by_document.items()
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
