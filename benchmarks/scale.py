"""Measure time and memory per chunk as the corpus grows: build, refreshes and search at 1k to 300k chunks.

    python benchmarks/scale.py [--rows 1000 --rows 10000] [--store lancedb] [--json out.json] [--plot out.png]

Chunks are passages of real text, each repeated with other words at its end, as in search_100k.py. Steps: `build`, a
refresh that changes one chunk in a hundred, one that changes ten chunks, and search. Each is a separate process with
its own peak of memory, which is given without the memory of the imports. A refresh is that of peers/lorag_side.py:
cache and vectors, plan, write, gate with both digests, publish. Parsing and cutting, which run document by document,
are not included.

The encoder is a fake, because the real one would dominate: a text's vector is its passage's MiniLM embedding plus noise
that depends on the text's hash, about 0.05 ms. The time of the real one is computed from its speed on 512 of the texts.

`fit` is the least-squares estimate of processor seconds = a * changed + b * corpus + c over all refreshes; processor
seconds say more than seconds if other work runs. The goal: neither time nor memory per chunk grows with the corpus, and
the cost of a refresh per chunk of the corpus (b) stays far below the encoder's time for a chunk.

With `--store weaviate`, Weaviate is used at WEAVIATE_URL. If its server runs on this machine, its memory is given next
to that of the process.
"""

# ruff: noqa: E402 - the folder of the peers must be on the path first.

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks/peers"))

from corpus import read_params
from lorag_side import refresh
from measured import Clock
from one_percent import SAMPLE, documents_of, encoder_speed
from scale_report import draw, fit, show
from search_100k import (
    NOISE,
    QUERY_NOISE,
    WARM_UP,
    Query,
    embed,
    latencies,
    made_up,
    mean_recall,
    noise,
    read_passages,
    unit,
)

from lorag.digests import sha256_hex
from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Chunk
from lorag.params import Params, StoreKind
from lorag.releases.shelf import ReleaseShelf

STEPS = ("build", "refresh_1pct", "refresh_10", "search")
QUERIES = 100
RECALL_QUERIES = 20


@dataclass
class PassageEncoder:
    """An Embedder that knows the passages' vectors and adds noise for the rest."""

    base: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = "passages"
    dimension: int = 384
    max_tokens: int = 256
    backend: str = "passages with noise"

    def learn(self, passages: Sequence[str]) -> None:
        """Load the embeddings of the passages."""
        self.base = dict(zip(passages, embed(passages), strict=True))

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return a guess: only the batches depend on it."""
        return [len(text) // 4 for text in texts]

    def embed_batch(self, texts: Sequence[str]) -> Any:
        """Return vectors [n, dimension]."""
        return unit(np.stack([self._noisy(text) for text in texts]))

    def _noisy(self, text: str) -> Any:
        generator = np.random.default_rng(int(sha256_hex(text.encode())[:16], 16))
        passage = re.sub(r"( w\d+)+$", "", text.partition("\n")[2])
        return self.base[passage] + noise(generator, (1, self.dimension), NOISE)[0]


def main() -> None:
    """Measure every size, print a table and draw it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, action="append")
    parser.add_argument("--store", type=StoreKind, default=StoreKind.LANCEDB)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        sys.stdout.write(json.dumps(run_step(arguments.step, arguments.rows[0], arguments.store, arguments.folder)))
        return
    passages = read_passages()
    texts = [make_chunk(i, SAMPLE, STEPS[0], passages).embedded_text for i in range(SAMPLE)]
    texts_a_s, encoder_cpu_s = encoder_speed(texts)
    found: dict[str, Any] = {"store": arguments.store.value, "texts_a_s": texts_a_s, "encoder_cpu_s": encoder_cpu_s}
    found["sizes"] = {}
    embed(passages)
    for rows in arguments.rows or [1_000, 10_000, 100_000, 300_000]:
        found["sizes"][rows] = measure(rows, arguments.store)
        if arguments.json:
            arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    found["fit"] = fit(found["sizes"])
    show(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.plot:
        draw(found, arguments.plot)


def measure(rows: int, store: StoreKind) -> dict[str, Any]:
    """Return the results of each step for one size."""
    folder = Path(tempfile.mkdtemp(prefix="scale_"))
    results: dict[str, Any] = {"server_bytes_before": server_memory()}
    try:
        for step in STEPS:
            command = [sys.executable, __file__, "--step", step, "--rows", str(rows)]
            command += ["--store", store.value, "--folder", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{step} of {rows} rows failed:\n{done.stderr[-3000:]}")
            results[step] = json.loads(done.stdout) | {"server_bytes": server_memory()}
            print(f"{rows} {step}: {json.dumps(results[step])}", file=sys.stderr, flush=True)
    finally:
        opened = open_store(params_of(store).index, folder, os.environ)
        opened.drop_all_but(())
        opened.close()
        shutil.rmtree(folder)
    return results


def run_step(step: str, rows: int, store: StoreKind, folder: Path) -> dict[str, Any]:
    """Run one step in this process; return seconds and their parts, or latencies, and memory in bytes."""
    import lancedb  # noqa: F401 - its own memory does not belong to the corpus.

    params, encoder = params_of(store), PassageEncoder()
    passages = read_passages()
    encoder.learn(passages)
    if step == "search":
        asked = [make_chunk(i, rows, step, passages) for i in random.Random(3).sample(range(rows), min(QUERIES, rows))]
        return search(folder, params, make_queries(asked, encoder))
    forget_peak()
    before, clock = memory(), Clock()
    # A refresh reads these from its artifacts, so their memory counts.
    chunks = [make_chunk(i, rows, step, passages) for i in range(rows)]
    documents = documents_of(chunks)
    begun = time.process_time()
    work = refresh(folder, documents, chunks, encoder, params, clock, os.environ)
    return {
        "seconds": sum(clock.parts.values()),
        "cpu_s": time.process_time() - begun,
        "parts": {name: round(value, 3) for name, value in clock.parts.items()},
        "embedded": work.n_embedded,
        "peak_bytes": memory(peak=True) - before,
        "disk_bytes": size_of(folder) - size_of(folder, "cache.sqlite*"),
        "cache_bytes": size_of(folder, "cache.sqlite*"),
        "load_average": round(psutil.getloadavg()[0], 1),
    }


def search(folder: Path, params: Params, queries: Sequence[Query]) -> dict[str, Any]:
    """Return latencies and memory of a process that only asks; then recall, whose exact search the memory excludes."""
    forget_peak()
    before = memory()
    store = open_store(params.index, folder, os.environ)
    try:
        ref = ReleaseShelf(folder).releases()[0].index
        begun = time.process_time()
        found: dict[str, Any] = latencies(store, ref, queries) | {"peak_bytes": memory(peak=True) - before}
        # Dense, BM25 and both, including the warm-up.
        found["cpu_ms"] = (time.process_time() - begun) * 1e3 / (3 * (len(queries) + WARM_UP))
        return found | {"recall_at_10": mean_recall(store, ref, queries[:RECALL_QUERIES])}
    finally:
        store.close()


def params_of(store: StoreKind) -> Params:
    """Return the project's params, on this store and without replicas."""
    params = read_params()
    changes = {"store": store, "replication_factor": 1, "shards": 1}
    return params.model_copy(update={"index": params.index.model_copy(update=changes)})


def make_chunk(i: int, rows: int, step: str, passages: Sequence[str]) -> Chunk:
    """Return a chunk as it is at a step, twenty per document; the changes of earlier steps stay."""
    words = random.Random(i)
    text = f"{words.choice(passages)} {made_up(words)}"
    # One in a hundred, then ten of all.
    for every in (100, max(rows // 10, 1))[: STEPS.index(step)]:
        if i % every == every // 2:
            text = f"{text} {made_up(words)}"
    return Chunk(f"c{i:07}", f"d{i // 20}", f"Page {i // 20}", text)


def make_queries(chunks: Sequence[Chunk], encoder: PassageEncoder) -> list[Query]:
    """Return queries: chunks' vectors with noise, and nine of their words."""
    words, generator = random.Random(4), np.random.default_rng(4)
    vectors = encoder.embed_batch([chunk.embedded_text for chunk in chunks])
    asked = unit(vectors + noise(generator, vectors.shape, QUERY_NOISE))
    return [Query(v, " ".join(words.sample(chunk.text.split(), 9))) for v, chunk in zip(asked, chunks, strict=True)]


def forget_peak() -> None:
    """Reset the peak of memory, so that it counts from here."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def memory(*, peak: bool = False) -> int:
    """Return the bytes that this process uses, or the most that it ever used."""
    name = "VmHWM:" if peak else "VmRSS:"
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


def server_memory() -> int:
    """Return the bytes that the Weaviate server uses if it runs on this machine; else 0."""
    port = urlsplit(os.environ.get("WEAVIATE_URL", "")).port
    pids = {each.pid for each in psutil.net_connections("tcp") if each.status == "LISTEN" and each.laddr.port == port}
    return sum(psutil.Process(pid).memory_info().rss for pid in pids if pid)


def size_of(folder: Path, pattern: str = "**/*") -> int:
    """Return the bytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


if __name__ == "__main__":
    main()
