"""The texts that every system of the refresh benchmark reads, cut once by lorag's chunker."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from inputs import NEW, OLD, Piece, write_pieces

from lorag.digests import sha256_hex
from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer, load_token_counter
from lorag.integrations.models.files import resolve_model
from lorag.knowledge.artifacts import read_chunks, read_documents, write_chunks, write_documents
from lorag.knowledge.chunking import chunk_document
from lorag.knowledge.documents import Chunk, Corpus, Document
from lorag.params import KnowledgeParams, Params, SecretPolicy
from lorag.params_file import load_params
from lorag.use_cases.refresh.load_corpus import load_corpus

ROOT = Path(__file__).parents[2]
VERSIONS = ROOT / "../shared/data/keda_2.13-2.15/versions"


def read_params() -> Params:
    """Return the project's params.yaml."""
    return load_params(ROOT / "params.yaml")


def knowledge_params() -> KnowledgeParams:
    """Return those of params.yaml, but do not quarantine what looks like a secret: the documentation shows many."""
    return read_params().knowledge.model_copy(update={"secrets": SecretPolicy.FLAG})


def prepare_corpus(folder: Path, share: float) -> dict[str, int]:
    """Write source files, documents and chunks of both versions below `folder`; return the sizes for the report."""
    params = read_params()
    tokens = load_token_counter(resolve_model(params.embedding.model))
    sizes: dict[str, int] = {}
    texts: dict[str, set[tuple[str, str]]] = {}
    for version in (OLD, NEW):
        corpus = load_version(version, share)
        chunks = [chunk for d in corpus.documents for chunk in chunk_document(d, params.chunking, tokens)]
        copy_source(version, corpus, folder / version)
        write_documents(folder / f"{version}.documents.jsonl", corpus.documents)
        write_chunks(folder / f"{version}.chunks.jsonl", chunks)
        pieces = [Piece(chunk.id, chunk.document_id, chunk.embedded_text) for chunk in chunks]
        write_pieces(folder, version, pieces)
        texts[version] = {(piece.document_id, piece.text) for piece in pieces}
        sizes |= _sizes(version, corpus, chunks, tokens)
    return sizes | {"chunks_of_2.14_not_in_2.13": len(texts[NEW] - texts[OLD])}


def load_version(version: str, share: float) -> Corpus:
    """Return about this share of a version's documents, chosen by a hash of their ids: the same in each version."""
    corpus = load_corpus((VERSIONS / version).resolve(), knowledge_params())
    chosen = (d for d in corpus.documents if int(sha256_hex(d.id.encode())[:8], 16) < share * 2**32)
    return Corpus(tuple(chosen), corpus.rejected)


def copy_source(version: str, corpus: Corpus, target: Path) -> None:
    """Copy the files of the chosen documents, under their names in the source."""
    for name in (name for document in corpus.documents for name in document.sources):
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(VERSIONS / version / name, target / name)


def read_corpus(folder: Path, version: str) -> tuple[list[Document], list[Chunk]]:
    """Return the documents and chunks that `prepare_corpus` wrote."""
    return read_documents(folder / f"{version}.documents.jsonl"), read_chunks(folder / f"{version}.chunks.jsonl")


def _sizes(version: str, corpus: Corpus, chunks: Sequence[Chunk], tokens: EmbedderTokenizer) -> dict[str, int]:
    return {
        f"documents_{version}": len(corpus.documents),
        f"rejected_{version}": len(corpus.rejected),
        f"chunks_{version}": len(chunks),
        f"tokens_{version}": sum(tokens.count_many([chunk.embedded_text for chunk in chunks])),
    }
