"""LangChain's indexing API: `index()` with a record manager in SQLite, full clean-up, and its in-memory vector store.

The vector store is LangChain's cheapest; its saving, which writes JSON, is not counted. The embedder is
`HuggingFaceEmbeddings` as documented, with normalised vectors. Batches have 1,000 chunks, because the documentation
says to "select as big a batch size as possible" (the default is 100). Within each, sentence-transformers sorts by
length.
"""

import warnings
from pathlib import Path

from inputs import model_folder, read_pieces
from langchain_classic.indexes import SQLRecordManager
from langchain_core.documents import Document
from langchain_core.indexing import index
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_huggingface import HuggingFaceEmbeddings
from measured import EncodeMeter, Run, Work

BATCH_CHUNKS = 1_000


def prepare(phase: str, state: Path, corpus: Path) -> Run:
    """Load model, saved state and documents; return the function that indexes them."""
    warnings.simplefilter("ignore")
    documents = [
        Document(piece.text, metadata={"source": piece.document_id, "chunk": piece.id})
        for piece in read_pieces(corpus, phase)
    ]
    embeddings = HuggingFaceEmbeddings(
        model_name=model_folder(), model_kwargs={"device": "cpu"}, encode_kwargs={"normalize_embeddings": True}
    )
    embeddings.embed_documents(["warm-up"])
    saved = state / "vectors.json"
    store = InMemoryVectorStore.load(str(saved), embeddings) if saved.exists() else InMemoryVectorStore(embeddings)
    records = SQLRecordManager("benchmark", db_url=f"sqlite:///{state}/records.sqlite")
    if not saved.exists():
        records.create_schema()
    meter = EncodeMeter()
    meter.install()

    def run() -> Work:
        index(
            documents,
            records,
            store,
            batch_size=BATCH_CHUNKS,
            cleanup="full",
            source_id_key="source",
            key_encoder="sha256",
        )
        return Work(meter.n_texts, len(store.store), {"embed": meter.seconds}, lambda: store.dump(str(saved)))

    return run
