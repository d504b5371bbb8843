"""Measure a refresh that changes 1 % of the chunks against the build, at 100,000 chunks, on each store.

    .venv/bin/python benchmarks/one_percent.py [--store lancedb] [--rows 100000] [--refreshes 3] [--json out.json]

The corpus is that of search_100k.py. Build and refreshes make the same calls as a refresh by Prefect and DVC, without
these two. The parts are timed separately: embed (cache and vectors), plan, write, gate (search for every changed chunk
by its own vector, read back the whole generation, recompute both digests), publish (fsync, record, pointer, retention).
Parsing and cutting are not included. Each refresh changes other chunks, so later ones show when the stores clean up.

`seconds` does not include the encoder, because it would hide the rest: vectors are known before. The time that the real
encoder would add to both sides is computed from its speed on a sample of the same texts, and given as `with_encoder`.
dense+bm25 search is measured, and recall is compared with exact search, after the build and after the last refresh.

Weaviate is measured at WEAVIATE_URL, and left out without that variable.
"""

# ruff: noqa: E402 - the folder of the peers must be on the path first.

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks/peers"))

from corpus import read_params
from lorag_side import refresh
from measured import Clock
from search_100k import QUERY_NOISE, ask, made_up, make_corpus, noise, timed, unit

from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Block, BlockKind, Chunk, Document
from lorag.params import Params, StoreKind
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.embed import plan_batches
from lorag.retrieval.index.store import Vector

DIMENSION = 384
SAMPLE = 512


@dataclass
class KnownVectors:
    """An Embedder that looks up known vectors."""

    vectors: dict[str, Vector]
    fingerprint: str = "known"
    dimension: int = DIMENSION
    max_tokens: int = 256
    backend: str = "known vectors"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return a guess: only the batches depend on it."""
        return [len(text) // 4 for text in texts]

    def embed_batch(self, texts: Sequence[str]) -> Any:
        """Return vectors [n, dimension]."""
        return np.stack([self.vectors[text] for text in texts])


def main() -> None:
    """Measure the available stores and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--refreshes", type=int, default=3)
    parser.add_argument("--store", type=StoreKind, action="append")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    rows, queries, _ = make_corpus(arguments.rows, 200)
    chunks = [row.chunk for row in rows]
    embedder = KnownVectors({row.chunk.embedded_text: row.vector for row in rows})
    texts_a_s, _ = encoder_speed([chunk.embedded_text for chunk in chunks[:SAMPLE]])
    versions = [chunks, *changed_versions(chunks, embedder, arguments.refreshes)]
    results = []
    for kind in arguments.store or list(StoreKind):
        if kind is StoreKind.WEAVIATE and not os.environ.get("WEAVIATE_URL"):
            print("weaviate: left out, WEAVIATE_URL is not set")
            continue
        results += measure(kind, versions, embedder, queries, texts_a_s)
    if arguments.json:
        arguments.json.write_text(json.dumps({"texts_a_s": texts_a_s, "results": results}, indent=1) + "\n")


def measure(
    kind: StoreKind, versions: Sequence[list[Chunk]], embedder: KnownVectors, queries: Any, texts_a_s: float
) -> list[dict[str, Any]]:
    """Return a row for the build and for each refresh; print each when it is done."""
    folder = Path(tempfile.mkdtemp(prefix="one_percent_"))
    params = read_params()
    params = params.model_copy(
        update={"index": params.index.model_copy(update={"store": kind, "replication_factor": 1, "shards": 1})}
    )
    results: list[dict[str, Any]] = []
    try:
        for number, chunks in enumerate(versions):
            clock = Clock()
            documents = documents_of(chunks)
            work, seconds = timed(
                lambda documents=documents, chunks=chunks, clock=clock: refresh(  # type: ignore[misc]
                    folder, documents, chunks, embedder, params, clock, os.environ
                )
            )
            result = {"store": kind.value, "step": f"refresh {number}" if number else "build", "seconds": seconds}
            result |= {"embedded": work.n_embedded, "parts": {k: round(v, 2) for k, v in clock.parts.items()}}
            result["with_encoder"] = seconds + work.n_embedded / texts_a_s
            for name in ("seconds", "with_encoder"):
                result[f"{name}_share"] = result[name] / (results[0] if results else result)[name]
            if number in (0, len(versions) - 1):
                result |= ask_newest(folder, params, queries)
            results.append(result)
            print(json.dumps(result), flush=True)
    finally:
        store = open_store(params.index, folder, os.environ)
        store.drop_all_but(())
        store.close()
        shutil.rmtree(folder)
    return results


def ask_newest(folder: Path, params: Params, queries: Any) -> dict[str, float]:
    """Measure latency and recall of the served generation."""
    store = open_store(params.index, folder, os.environ)
    try:
        return ask(store, ReleaseShelf(folder).releases()[0].index, queries)
    finally:
        store.close()


def changed_versions(chunks: Sequence[Chunk], embedder: KnownVectors, count: int) -> list[list[Chunk]]:
    """Return one version after the other, each with another hundredth of the chunks changed."""
    words, generator = random.Random(2), np.random.default_rng(2)
    versions, current = [], list(chunks)
    for number in range(1, count + 1):
        current = list(current)
        for i in range(number, len(current), 100):
            before = embedder.vectors[current[i].embedded_text]
            current[i] = replace(current[i], text=f"{current[i].text} {made_up(words)}")
            vector = unit(before + noise(generator, (1, DIMENSION), QUERY_NOISE))[0]
            embedder.vectors[current[i].embedded_text] = vector
        versions.append(current)
    return versions


def documents_of(chunks: Sequence[Chunk]) -> list[Document]:
    """Return a document for each document id of the chunks."""
    texts: dict[str, list[Block]] = {}
    for chunk in chunks:
        texts.setdefault(chunk.document_id, []).append(Block(BlockKind.PARAGRAPH, chunk.text))
    return [Document(name, name, tuple(blocks)) for name, blocks in texts.items()]


def encoder_speed(texts: list[str]) -> tuple[float, float]:
    """Return texts per second of the embedder in params on this machine, and processor seconds per text."""
    params = read_params().embedding
    embedder = open_embedder(params)
    texts = [text for text, n in zip(texts, embedder.count_tokens(texts), strict=True) if n <= params.max_tokens]
    lengths = embedder.count_tokens(texts)
    batches = [[texts[i] for i in batch] for batch in plan_batches(lengths, params.batch_tokens)]
    embedder.embed_batch(batches[0])
    begun = time.process_time()
    _, seconds = timed(lambda: [embedder.embed_batch(batch) for batch in batches])
    cpu_s = time.process_time() - begun
    print(f"{embedder.backend}: {len(texts) / seconds:.0f} texts/s, {sum(lengths) / len(texts):.0f} tokens each")
    return len(texts) / seconds, cpu_s / len(texts)


if __name__ == "__main__":
    main()
