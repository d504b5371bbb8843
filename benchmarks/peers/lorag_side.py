"""lorag: embedding through the cache, plan, LanceDB generation, gate with both digests, published release.

These are the same calls as in a refresh by Prefect and DVC, without these two. This corpus has no golden questions, so
the gate asks none; it searches for every new chunk by its own vector and reads back the whole generation.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
from corpus import knowledge_params, read_corpus, read_params
from inputs import version_of
from measured import Clock, Run, Work

from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.cache import file_sha256
from lorag.integrations.models.embedder_tokenizer import load_token_counter
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import model_sha256, resolve_model
from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Chunk, Document
from lorag.params import Params
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.embed import Embedder, embed_texts, plan_batches
from lorag.use_cases.asking.artifacts import Wanted
from lorag.use_cases.asking.golden import Golden
from lorag.use_cases.refresh.pipeline import chunk_corpus, read_source
from lorag.use_cases.refresh.refresh_index import (
    Provenance,
    apply_plan,
    gate_generation,
    is_current,
    plan_generation,
    publish_generation,
    start_from,
)


def prepare(phase: str, state: Path, corpus: Path) -> Run:
    """Prepare a refresh on chunks that are already cut, as the peers get them."""
    params = read_params()
    documents, chunks = read_corpus(corpus, version_of(phase))
    embedder = _open_warm(params)

    def run() -> Work:
        return refresh(state, documents, chunks, embedder, params, Clock())

    return run


def prepare_whole(phase: str, state: Path, corpus: Path) -> Run:
    """Prepare the whole use case from the source folder: read, parse in child processes, cut, then the same."""
    params = read_params()
    folder = resolve_model(params.embedding.model)
    tokens, tokens_id = load_token_counter(folder), file_sha256(folder / "tokenizer.json")
    embedder = _open_warm(params)

    def run() -> Work:
        clock = Clock()
        with BlobCache(state / "cache.sqlite") as cache:
            with clock.part("parse"):
                loaded = read_source((corpus / version_of(phase)).resolve(), knowledge_params(), cache)
            with clock.part("chunk"):
                chunks = chunk_corpus(loaded.documents, params.chunking, tokens, tokens_id, cache, lambda n: None)
        return refresh(state, loaded.documents, chunks, embedder, params, clock)

    return run


def prepare_raw(phase: str, state: Path, corpus: Path) -> Run:
    """Prepare the encoder alone: only `embed_batch`, on the batches of a build, which are prepared before."""
    params = read_params()
    embedder = _open_warm(params)
    texts = list(dict.fromkeys(chunk.embedded_text for chunk in read_corpus(corpus, version_of(phase))[1]))
    lengths = embedder.count_tokens(texts)
    batches = [[texts[i] for i in batch] for batch in plan_batches(lengths, params.embedding.batch_tokens)]

    def run() -> Work:
        for batch in batches:
            embedder.embed_batch(batch)
        return Work(len(texts), len(texts), backend=embedder.backend)

    return run


def _open_warm(params: Params) -> Embedder:
    embedder = open_embedder(params.embedding)
    embedder.embed_batch(["warm-up"])
    # The first use of the store would import it.
    import lancedb  # noqa: F401

    return embedder


def refresh(
    state: Path,
    documents: Sequence[Document],
    chunks: Sequence[Chunk],
    embedder: Embedder,
    params: Params,
    clock: Clock,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Work:
    """Refresh the index in `state` once; add the seconds of its parts to `clock`."""
    with clock.part("embed"), BlobCache(state / "cache.sqlite") as cache:
        texts = [chunk.embedded_text for chunk in chunks]
        vectors, count = embed_texts(texts, embedder, cache, batch_tokens=params.embedding.batch_tokens)
    wanted = Wanted(documents, chunks, vectors, embedder.fingerprint)
    store, shelf = open_store(params.index, state, environment), ReleaseShelf(state)
    with clock.part("plan"):
        newest = next(iter(shelf.releases()), None)
        start = start_from(newest, params.index, wanted.fingerprint)
        plan = plan_generation(wanted, start, store)
    work = Work(count.n_embedded, len(chunks), clock.parts, backend=embedder.backend)
    if newest is not None and start is not None and is_current(newest, plan, wanted, ""):
        return work
    with clock.part("write"):
        generation = newest.generation + 1 if newest else 1
        ref = apply_plan(plan, wanted, start, generation, store, params.index)
    with clock.part("gate"):
        golden = Golden((), np.empty((0, embedder.dimension), np.float32))
        ref, report = gate_generation(ref, plan, wanted, newest, store, golden, params)
    with clock.part("publish"):
        provenance = Provenance(
            embedder_model=params.embedding.model,
            embedder_sha256=model_sha256(resolve_model(params.embedding.model)),
            created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        publish_generation(ref, report, wanted, params, provenance, shelf, store, shelf.served_id())
    return work
