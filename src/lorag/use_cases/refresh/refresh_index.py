"""A refresh: the index follows the knowledge at the cost of what changed, and only what passes is served."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lorag.errors import GateRefused
from lorag.evaluation.retrieval import measure_retrieval
from lorag.knowledge.artifacts import corpus_digest
from lorag.knowledge.documents import Chunk, Document
from lorag.params import AdapterKind, GateParams, IndexParams, Params
from lorag.questions.questions import GoldenQuestion
from lorag.releases.record import AdapterEntry, DocumentEntry, Release, digest_rows
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import IndexRef, IndexRow, IndexStore
from lorag.retrieval.plan import RefreshPlan, plan_refresh
from lorag.use_cases.asking.evaluate_retrieval import rank_questions

Advance = Callable[[int], None]
"""Called with the number of rows done since the last call."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the index should hold: the artifacts of the pipeline.

    `vectors` [n_chunks, dimension] float32 belong to `chunks` by position.
    """

    documents: Sequence[Document]
    chunks: Sequence[Chunk]
    vectors: NDArray[np.float32]
    fingerprint: str

    def rows(self, chunk_ids: Sequence[str]) -> list[IndexRow]:
        """The rows of these chunks."""
        positions = {chunk.id: position for position, chunk in enumerate(self.chunks)}
        return [IndexRow(self.chunks[positions[i]], self.fingerprint, self.vectors[positions[i]]) for i in chunk_ids]


@dataclass(frozen=True, slots=True)
class Golden:
    """Questions that a generation must still answer, with their vectors [n_questions, dimension] by position."""

    questions: Sequence[GoldenQuestion]
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class GateReport:
    """What the gate found out about a generation; digests are recomputed from the store."""

    content_digest: str
    vectors_digest: str
    n_chunks: int
    mended: int
    recall_at_10: float | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a release records besides the index."""

    embedder_model: str
    embedder_sha256: str
    created_utc: str
    git_commit: str | None = None
    base_model_sha256: str | None = None
    adapters: Mapping[AdapterKind, AdapterEntry] = field(default_factory=dict)
    documents: Mapping[str, DocumentEntry] = field(default_factory=dict)


def start_from(base: Release | None, params: IndexParams, fingerprint: str) -> IndexRef | None:
    """The generation that the next one continues; None where another store or embedder needs an index of its own."""
    if base is None or base.index.store is not params.store:
        return None
    return base.index if base.index.name.startswith(_name_prefix(params, fingerprint)) else None


def plan_generation(wanted: Wanted, start: IndexRef | None, store: IndexStore) -> RefreshPlan:
    """The difference between what is wanted and the generation to start from."""
    return plan_refresh(wanted.chunks, wanted.fingerprint, store.entries(start) if start else {})


def refuse_shrinking(plan: RefreshPlan, base: Release | None, params: GateParams, *, allow_shrink: bool) -> None:
    """Raises GateRefused where more of the index would go than params allow: a half-copied source looks like that."""
    if base is None or allow_shrink or base.n_chunks == 0:
        return
    lost = max(base.n_chunks - len(plan.write) - len(plan.keep), 0) / base.n_chunks
    if lost > params.max_shrink_share:
        raise GateRefused(
            f"the index would lose {lost:.0%} of its {base.n_chunks} chunks",
            where=f"gate.max_shrink_share {params.max_shrink_share}",
            do="check the source, or run again with --allow-shrink",
        )


def apply_plan(
    plan: RefreshPlan,
    wanted: Wanted,
    start: IndexRef | None,
    generation: int,
    store: IndexStore,
    params: IndexParams,
    advance: Advance | None = None,
) -> IndexRef:
    """Writes the next generation; the served one stays as it is, also when this breaks off."""
    name = start.name if start else f"{_name_prefix(params, wanted.fingerprint)}_{generation}"
    return store.write_generation(start, name, generation, wanted.rows(plan.write), plan.delete, progress=advance)


def gate_generation(
    ref: IndexRef,
    plan: RefreshPlan,
    wanted: Wanted,
    base: Release | None,
    store: IndexStore,
    golden: Golden,
    params: Params,
) -> tuple[IndexRef, GateReport]:
    """Checks a generation as a reader will see it; raises GateRefused and names what failed.

    Each new chunk must be found by its own vector (what a store lost in silence is deleted and inserted again), both
    digests must be those of the wanted rows, and recall on the golden questions must reach params.gate. It does not
    judge whether the documents themselves are true.
    """
    every = sorted(chunk.id for chunk in wanted.chunks)
    content, vectors, n_wanted = digest_rows(wanted.rows(every))
    found = digest_rows(store.rows(ref))
    intact = found == (content, vectors, n_wanted)
    ref, mended = _mend_lost_rows(ref, wanted.rows(plan.write), store, params.gate.mend_attempts, intact=intact)
    found_content, found_vectors, n_chunks = digest_rows(store.rows(ref)) if mended else found
    if (found_content, n_chunks) != (content, n_wanted):
        raise GateRefused(
            f"the store holds {n_chunks} chunks with content {found_content[:12]}, "
            f"wanted are {n_wanted} with {content[:12]}",
            where=ref.name,
            do="run `lorag refresh` again; if it persists, `lorag refresh --rebuild`",
        )
    if found_vectors != vectors:
        raise GateRefused(
            "the store's vectors are not those that were written",
            where=ref.name,
            do="run `lorag refresh --rebuild`",
        )
    recall = _gate_recall(ref, base, store, golden, params)
    return ref, GateReport(content, found_vectors, n_chunks, mended, recall)


def publish_generation(
    ref: IndexRef,
    report: GateReport,
    wanted: Wanted,
    params: Params,
    provenance: Provenance,
    shelf: ReleaseShelf,
    store: IndexStore,
    expected_served: str | None,
) -> Release:
    """Makes the generation durable, writes its record, moves the pointer, and frees what retention lets go."""
    store.make_durable(ref)
    release = Release(
        generation=ref.generation,
        index=ref,
        content_digest=report.content_digest,
        vectors_digest=report.vectors_digest,
        corpus_digest=corpus_digest(wanted.documents),
        params_digest=params.digest,
        embedder_fingerprint=wanted.fingerprint,
        embedder_model=provenance.embedder_model,
        embedder_sha256=provenance.embedder_sha256,
        base_model_sha256=provenance.base_model_sha256,
        git_commit=provenance.git_commit,
        created_utc=provenance.created_utc,
        n_chunks=report.n_chunks,
        recall_at_10=report.recall_at_10,
        documents={d.id: DocumentEntry(d.version, d.title) for d in wanted.documents},
        adapters=provenance.adapters,
    )
    shelf.publish(release, expected_served=expected_served)
    store.drop_all_but([kept.index for kept in shelf.retain(params.index.retain_generations)])
    return release


def is_current(release: Release, plan: RefreshPlan, wanted: Wanted, params: Params) -> bool:
    """Whether `release` already is what a refresh would publish."""
    return (
        plan.is_noop
        and release.corpus_digest == corpus_digest(wanted.documents)
        and release.params_digest == params.digest
        and release.embedder_fingerprint == wanted.fingerprint
    )


def _name_prefix(params: IndexParams, fingerprint: str) -> str:
    # Vectors of two embedders never meet in one table.
    return f"{params.name}_{fingerprint[:8]}"


def _mend_lost_rows(
    ref: IndexRef, rows: Sequence[IndexRow], store: IndexStore, attempts: int, *, intact: bool
) -> tuple[IndexRef, int]:
    mended = 0
    by_id = {row.chunk.id: row for row in rows}
    lost = store.unreachable(ref, rows, intact=intact)
    for _ in range(attempts):
        if not lost:
            break
        mended += len(lost)
        ref = store.mend(ref, [by_id[chunk_id] for chunk_id in lost])
        lost = store.unreachable(ref, [by_id[chunk_id] for chunk_id in lost])
    if lost:
        raise GateRefused(
            f"{len(lost)} chunks are not found by their own vector, the first is {lost[0]}",
            where=ref.name,
            do="run `lorag doctor`",
        )
    return ref, mended


def _gate_recall(
    ref: IndexRef, base: Release | None, store: IndexStore, golden: Golden, params: Params
) -> float | None:
    if not golden.questions:
        return None
    wide = params.search.model_copy(
        update={"top_k": max(params.search.candidates, 10), "max_per_document": 1_000, "mmr_lambda": None}
    )
    rankings = rank_questions(store, ref, golden.questions, golden.vectors, wide)
    recall = measure_retrieval(golden.questions, rankings, [10])["recall_at_10"]
    floor = params.gate.min_recall_at_10
    if base is not None and base.recall_at_10 is not None:
        floor = max(floor, base.recall_at_10 - params.gate.max_recall_drop)
    # Written so that a NaN fails too.
    if not recall >= floor:
        raise GateRefused(
            f"recall@10 {recall:.3f} on {len(golden.questions)} golden questions is below {floor:.3f}",
            where="gate.min_recall_at_10, gate.max_recall_drop",
            do="look at reports/retrieval.json and mend documents or questions",
        )
    return recall
