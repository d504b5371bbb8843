"""Measure the effect of rewriting questions before the search: none, multi-query and HyDE, by the generator of params.

    .venv/bin/python benchmarks/rewriting.py [--documents F --questions F] [--limit 60] [--json out.json]

All documents are indexed as in a refresh; `limit` questions are chosen by a hash of their ids. Each is rewritten once
per mode, all in one batch, and every retriever searches for the same queries. A difference is against no rewriting,
question by question, with its standard error.
"""

# ruff: noqa: E402 - the folder of the peers must be on the path first.

import argparse
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks/peers"))

from corpus import knowledge_params, read_params

from lorag.answering.prompts import rewriting_messages
from lorag.answering.rewrite import MAX_NEW_TOKENS, queries_from
from lorag.digests import sha256_hex
from lorag.evaluation.retrieval import rank_documents, retrieval_by_question
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.lancedb.index import LanceDbIndex
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import resolve_model
from lorag.integrations.models.generators import open_generator
from lorag.params import Params, RetrieverKind, Rewriting
from lorag.questions.questions import GoldenQuestion, golden_questions, read_questions
from lorag.retrieval.embed import embed_texts
from lorag.retrieval.index.store import IndexRow
from lorag.retrieval.search import Searcher
from lorag.use_cases.asking.evaluate_retrieval import widen
from lorag.use_cases.refresh.pipeline import chunk_corpus, read_source

XQUAD = ROOT / "../shared/data/xquad_en"
MEASURES = ("ndcg_at_10", "recall_at_1", "recall_at_5")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--documents", type=Path, default=XQUAD / "documents.jsonl")
    parser.add_argument("--questions", type=Path, default=XQUAD / "questions.jsonl")
    parser.add_argument("--limit", type=int, default=60)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    params = read_params()
    with tempfile.TemporaryDirectory(prefix="rewriting_") as folder, BlobCache(Path(folder) / "cache.sqlite") as cache:
        store = LanceDbIndex(Path(folder) / "index", params.index.ann_from_rows)
        documents = read_source(arguments.documents.resolve(), knowledge_params(), cache).documents
        tokens = load_token_counter(resolve_model(params.embedding.model))
        chunks = chunk_corpus(documents, params.chunking, tokens, "here", cache, lambda n: None)
        embedder = open_embedder(params.embedding)
        texts = [chunk.embedded_text for chunk in chunks]
        vectors, _ = embed_texts(texts, embedder, cache, batch_tokens=params.embedding.batch_tokens)
        rows = [IndexRow(c, embedder.fingerprint, v) for c, v in zip(chunks, vectors, strict=True)]
        ref = store.write_generation(None, "rewriting", 1, rows, ())
        usable = golden_questions(read_questions(arguments.questions), documents)
        chosen = sorted(usable, key=lambda question: sha256_hex(question.id.encode()))[: arguments.limit]
        results = measure(chosen, Searcher(store, ref, embedder.embed_batch), params)
    show(results, len(chosen), len(chunks))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def measure(questions: Sequence[GoldenQuestion], searcher: Searcher, params: Params) -> list[dict[str, Any]]:
    """Return a row for each mode and retriever, with the metrics of every question."""
    generator = open_generator(params.generation, os.environ)
    results = []
    for mode in (Rewriting.NONE, Rewriting.MULTI_QUERY, Rewriting.HYDE):
        begun = time.perf_counter()
        queries = {q.id: [q.question] for q in questions}
        if mode is not Rewriting.NONE:
            prompts = [rewriting_messages(mode, q.question) for q in questions]
            written = generator.generate_batch(prompts, max_new_tokens=MAX_NEW_TOKENS)
            queries = {q.id: queries_from(q.question, mode, w.text) for q, w in zip(questions, written, strict=True)}
        seconds = (time.perf_counter() - begun) / len(questions)
        for retriever in RetrieverKind:
            search = widen(params.search).model_copy(update={"retriever": retriever})
            rankings = {id_: rank_documents(searcher.search(found, search).hits) for id_, found in queries.items()}
            by_question = retrieval_by_question(questions, rankings, [1, 5])
            added = statistics.mean(len(found) - 1 for found in queries.values())
            results.append(
                {"mode": mode.value, "retriever": retriever.value, "seconds": seconds, "added_queries": added}
                | {"queries": queries}
                | {name: by_question[name] for name in MEASURES}
            )
    return results


def show(results: Sequence[Mapping[str, Any]], n_questions: int, n_chunks: int) -> None:
    """Print the table in Markdown."""
    print(f"{n_questions} questions, {n_chunks} chunks")
    print(
        f"| rewriting | retriever | {' | '.join(MEASURES)} | added queries | s a question, in a batch |\n|{'---|' * 7}"
    )
    before = {row["retriever"]: row for row in results if row["mode"] == Rewriting.NONE.value}
    for row in results:
        cells = []
        for name in MEASURES:
            mean = statistics.mean(row[name].values())
            gains = [value - before[row["retriever"]][name][id_] for id_, value in row[name].items()]
            error = statistics.stdev(gains) / math.sqrt(len(gains))
            cells.append(f"{mean:.3f}" + (f" ({statistics.mean(gains):+.3f} +- {error:.3f})" if any(gains) else ""))
        print(
            f"| {row['mode']} | {row['retriever']} | {' | '.join(cells)} | {row['added_queries']:.1f} "
            f"| {row['seconds']:.2f} |"
        )


if __name__ == "__main__":
    main()
