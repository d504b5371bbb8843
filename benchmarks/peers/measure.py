"""One measurement in a fresh process: `measure.py SYSTEM PHASE STATE CORPUS` prints a JSON object as its last line."""

import importlib.metadata
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from measured import Run

PACKAGES = (
    "langchain-core",
    "langchain-classic",
    "langchain-huggingface",
    "llama-index-core",
    "llama-index-embeddings-huggingface",
    "sentence-transformers",
    "torch",
    "openvino",
    "lancedb",
)

Prepare = Callable[[str, Path, Path], Run]


def load_langchain() -> Prepare:
    """Import only LangChain's part: each system has its own process."""
    from langchain_peer import prepare

    return prepare


def load_llamaindex(*, by_chunk: bool) -> Prepare:
    """Import only LlamaIndex's part."""
    from llamaindex_peer import prepare

    return partial(prepare, by_chunk=by_chunk)


def load_lorag(name: str) -> Prepare:
    """Import only lorag's part."""
    import lorag_side

    found: Prepare = getattr(lorag_side, name)
    return found


SYSTEMS: dict[str, Callable[[], Prepare]] = {
    "lorag": lambda: load_lorag("prepare"),
    "raw": lambda: load_lorag("prepare_raw"),
    "lorag_whole": lambda: load_lorag("prepare_whole"),
    "langchain": load_langchain,
    "llamaindex": lambda: load_llamaindex(by_chunk=False),
    "llamaindex_by_chunk": lambda: load_llamaindex(by_chunk=True),
}


def measure(system: str, phase: str, state: Path, corpus: Path) -> dict[str, object]:
    """Return the seconds of the timed part, what it did, and the process's peak memory."""
    state.mkdir(parents=True, exist_ok=True)
    run = SYSTEMS[system]()(phase, state, corpus)
    prepared_mb = _peak_mb()
    load = os.getloadavg()[0]
    begun, cpu_begun = time.perf_counter(), time.process_time()
    work = run()
    seconds, cpu_s = time.perf_counter() - begun, time.process_time() - cpu_begun
    peak_mb = _peak_mb()
    begun = time.perf_counter()
    if work.save is not None:
        work.save()
    return {
        "system": system,
        "phase": phase,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "n_embedded": work.n_embedded,
        "n_rows": work.n_rows,
        "peak_mb": peak_mb,
        "prepared_mb": prepared_mb,
        "save_s": time.perf_counter() - begun if work.save else None,
        "parts": work.parts,
        "backend": work.backend,
        "load_average": load,
        "packages": _versions(),
    }


def _versions() -> dict[str, str]:
    installed = {
        distribution.metadata["Name"]: distribution.version for distribution in importlib.metadata.distributions()
    }
    return {name: installed[name] for name in PACKAGES if name in installed}


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Prepare the corpus, or measure one phase of one system."""
    system, phase, state, corpus = sys.argv[1:5]
    if system == "corpus":
        from corpus import prepare_corpus

        result: dict[str, object] = dict(prepare_corpus(Path(corpus), float(phase)))
    else:
        result = measure(system, phase, Path(state), Path(corpus))
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
