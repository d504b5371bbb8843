"""The retrieval metrics of any documents with questions, independent of what the workspace serves."""

from pathlib import Path
from typing import Any

from lorag.errors import InputRejected
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.cache import file_sha256
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import resolve_model
from lorag.integrations.models.reranker import open_reranker
from lorag.params import Params
from lorag.progress import show_progress
from lorag.questions.questions import golden_questions, read_questions
from lorag.retrieval.embed import embed_texts
from lorag.retrieval.index.store import IndexRow
from lorag.use_cases.asking.evaluate_retrieval import measure_rankings, rank_with_each
from lorag.use_cases.asking.golden import embed_questions
from lorag.use_cases.refresh.pipeline import chunk_corpus, read_source
from lorag.workspace import Workspace


def evaluate_files(documents: Path, questions: Path, workspace: Workspace, params: Params) -> dict[str, Any]:
    """Load, chunk, embed and index the documents as a refresh would, and ask every question.

    Raises InputRejected if no question has all its gold documents among them.
    """
    asked = read_questions(questions)
    workspace.state.mkdir(mode=0o700, exist_ok=True)
    with BlobCache(workspace.cache_file) as cache:
        with show_progress("Reading documents") as progress:
            corpus = read_source(documents, params.knowledge, cache, progress)
        usable = golden_questions(asked, corpus.documents)
        if not usable:
            raise InputRejected(
                "no question has all its gold_doc_ids among the documents",
                where=str(questions),
                do="name documents by their path relative to the source, or by their id",
            )
        folder = resolve_model(params.embedding.model)
        tokens = load_token_counter(folder)
        with show_progress("Cutting chunks", len(corpus.documents)) as progress:
            chunks = chunk_corpus(
                corpus.documents, params.chunking, tokens, file_sha256(folder / "tokenizer.json"), cache, progress
            )
        embedder = open_embedder(params.embedding)
        with show_progress(f"Embedding ({embedder.backend})", len(chunks)) as progress:
            texts = [chunk.embedded_text for chunk in chunks]
            batch_tokens = params.embedding.batch_tokens
            vectors, _ = embed_texts(texts, embedder, cache, batch_tokens=batch_tokens, progress=progress)
    question_vectors = embed_questions(usable, workspace, params.embedding)
    reranker = open_reranker(params.search.reranker) if params.search.reranker else None
    with show_progress("Asking", (4 if reranker else 3) * len(usable)) as advance:
        rankings = rank_with_each(
            [IndexRow(c, embedder.fingerprint, v) for c, v in zip(chunks, vectors, strict=True)],
            usable,
            question_vectors,
            index=params.index,
            search=params.search,
            reranker=reranker,
            advance=advance,
        )
    sizes = {"n_questions": len(usable), "n_skipped": len(asked) - len(usable), "n_documents": len(corpus.documents)}
    return {**sizes, "n_chunks": len(chunks), **measure_rankings(usable, rankings, params.evaluation.k)}
