"""Measure each embedder's texts per second on real paragraphs, and its vectors against sentence-transformers in fp32.

The candidates take turns, so that other work on the machine affects all of them equally; the best round counts.
"""

import argparse
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lorag.errors import ParamsError
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedder_torch import load_network
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import resolve_model
from lorag.params import EmbeddingParams
from lorag.params_file import load_params
from lorag.retrieval.embed import Embedder, embed_texts

ROOT = Path(__file__).parents[1]
DOCUMENTS = ROOT.parent / "shared" / "data" / "keda_2.13-2.15" / "documents.jsonl"
PLAIN = "sentence-transformers fp32, batch_size 32"

Encode = Callable[[Sequence[str]], NDArray[np.float32]]


class NoCache:
    """A cache that finds nothing and keeps nothing."""

    def get_many(self, namespace: str, keys: Sequence[str]) -> dict[str, bytes]:
        """Do nothing."""
        return {}

    def put_many(self, namespace: str, values: Iterable[tuple[str, bytes]]) -> None:
        """Do nothing."""


def read_paragraphs(path: Path, params: EmbeddingParams, n: int) -> list[str]:
    """Return `n` distinct paragraphs of 20 to 200 tokens, the same ones each time."""
    lines = path.read_text(encoding="utf-8").splitlines()
    pieces = (piece.strip() for line in lines for piece in re.split(r"\n\s*\n", json.loads(line)["text"]))
    texts = [piece for piece in dict.fromkeys(pieces) if piece]
    counts = load_token_counter(resolve_model(params.model)).count_many(texts)
    fitting = [text for text, count in zip(texts, counts, strict=True) if 20 <= count <= 200]
    random.Random(7).shuffle(fitting)
    return fitting[:n]


def open_candidates(params: EmbeddingParams) -> dict[str, Encode]:
    """Return plain sentence-transformers first, then the embedders that lorag can use on this machine."""
    plain = load_network(resolve_model(params.model), "cpu", bf16=False)
    candidates: dict[str, Encode] = {PLAIN: lambda texts: np.asarray(plain.encode(list(texts), batch_size=32))}
    for backend in ("openvino", "torch"):
        for precision in ("fp32", "bf16"):
            changes = {"backend": backend, "precision": precision}
            try:
                embedder = open_embedder(EmbeddingParams.model_validate({**params.model_dump(), **changes}))
            except ParamsError as error:
                print(f"left out: {error}")
                continue
            candidates[embedder.backend] = _encoder(embedder, params.batch_tokens)
    return candidates


def measure(candidates: dict[str, Encode], texts: Sequence[str], rounds: int) -> None:
    """Print a row per candidate: speed, CPU time per text, the worst cosine, and the median latency of one question."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    cpu_s: dict[str, list[float]] = {name: [] for name in candidates}
    vectors: dict[str, NDArray[np.float32]] = {}
    for encode in candidates.values():
        encode(texts[:64])
    for _ in range(rounds):
        for name, encode in candidates.items():
            start, cpu_start = time.perf_counter(), time.process_time()
            vectors[name] = encode(texts)
            seconds[name].append(time.perf_counter() - start)
            cpu_s[name].append(time.process_time() - cpu_start)
    print(f"{'':44}{'best/s':>8}{'median/s':>10}{'speed-up':>10}{'CPU ms':>10}{'min cos':>10}{'query ms':>10}")
    for name, encode in candidates.items():
        best, median = min(seconds[name]), statistics.median(seconds[name])
        cosine = float((vectors[name] * vectors[PLAIN]).sum(axis=1).min())
        query_ms = 1e3 * _latency_s(encode)
        speeds = f"{len(texts) / best:8.1f}{len(texts) / median:10.1f}{min(seconds[PLAIN]) / best:10.2f}"
        cpu_ms = 1e3 * min(cpu_s[name]) / len(texts)
        print(f"{name:44}{speeds}{cpu_ms:10.2f}{cosine:10.5f}{query_ms:10.1f}")


def _encoder(embedder: Embedder, batch_tokens: int) -> Encode:
    return lambda texts: embed_texts(texts, embedder, NoCache(), batch_tokens=batch_tokens)[0]


def _latency_s(encode: Encode) -> float:
    questions = [f"How do I let KEDA scale deployment {i} down to zero at night?" for i in range(30)]
    times = []
    for question in questions:
        start = time.perf_counter()
        encode([question])
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, default=DOCUMENTS, help="JSON lines with a `text` each")
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    params = load_params(ROOT / "params.yaml").embedding
    texts = read_paragraphs(arguments.documents, params, arguments.texts)
    measure(open_candidates(params), texts, arguments.rounds)


if __name__ == "__main__":
    main()
