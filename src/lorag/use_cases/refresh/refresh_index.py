"""The refresh of the index: its cost depends on what changed, and only what passes the gate is served."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from lorag.answering.sentence_features import EmbedTexts
from lorag.counted import counted
from lorag.errors import GateRefused, IntegrityFailed
from lorag.evaluation.retrieval import measure_retrieval
from lorag.failpoints import reach
from lorag.knowledge.artifacts import corpus_digest
from lorag.params import IndexParams, Params, SearchParams
from lorag.questions.questions import GoldenQuestion
from lorag.releases.index_gate import refuse_low_recall, refuse_other_rows
from lorag.releases.record import AdapterEntry, DocumentEntry, Release, count_updates, date_documents, digest_rows
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.index.store import Hit, IndexRef, IndexRow, IndexStore
from lorag.retrieval.plan import RefreshPlan, plan_refresh
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.artifacts import Wanted
from lorag.use_cases.asking.evaluate_retrieval import rank_questions, search_questions
from lorag.use_cases.asking.golden import Golden
from lorag.use_cases.refresh.turned_answers import Turned, find_turned

Advance = Callable[[int], None]
"""A function that is called with the number of rows done since the last call."""


@dataclass(frozen=True, slots=True)
class GateReport:
    """The gate's results for a generation; digests are recomputed from the store."""

    content_digest: str
    vectors_digest: str
    n_chunks: int
    mended: int
    recall_at_10: float | None
    turned: tuple[Turned, ...] = ()


@dataclass(frozen=True, slots=True)
class Provenance:
    """The facts that a release records besides the index."""

    embedder_model: str
    embedder_sha256: str
    created_utc: str
    params_digest: str = ""
    git_commit: str | None = None
    base_model_sha256: str | None = None
    adapters: Mapping[AdapterKind, AdapterEntry] = field(default_factory=dict)
    documents: Mapping[str, DocumentEntry] = field(default_factory=dict)


def start_from(base: Release | None, params: IndexParams, fingerprint: str) -> IndexRef | None:
    """Return the generation that the next one continues; None if another store or embedder needs its own index."""
    # The first vectors after an index that was always empty begin a new one: under its name they would replace it.
    if base is None or base.index.store is not params.store or not base.index.dimension:
        return None
    return base.index if base.index.name.startswith(name_prefix(params, fingerprint)) else None


def plan_generation(wanted: Wanted, start: IndexRef | None, store: IndexStore) -> RefreshPlan:
    """Return the difference between the wanted rows and the generation to start from."""
    return plan_refresh(wanted.chunks, wanted.fingerprint, store.entries(start) if start else {})


def apply_plan(
    plan: RefreshPlan,
    wanted: Wanted,
    start: IndexRef | None,
    generation: int,
    store: IndexStore,
    params: IndexParams,
    advance: Advance | None = None,
) -> IndexRef:
    """Write the next generation; the served one does not change, even if this fails halfway."""
    name = start.name if start else f"{name_prefix(params, wanted.fingerprint)}_{generation}"
    reach("apply.before")
    ref = store.write_generation(start, name, generation, wanted.rows(plan.write), plan.delete, progress=advance)
    reach("apply.after")
    return ref


def gate_generation(
    ref: IndexRef,
    plan: RefreshPlan,
    wanted: Wanted,
    base: Release | None,
    store: IndexStore,
    golden: Golden,
    params: Params,
    embed: EmbedTexts | None = None,
) -> tuple[IndexRef, GateReport]:
    """Check a generation as a reader will see it; raise GateRefused, which names what failed.

    Each new chunk must be found by its own vector; one that the store lost silently is deleted and inserted again.
    Both digests must equal those of the wanted rows. Recall on the golden questions must reach params.gate. The gate
    does not judge whether the documents themselves are true; with `embed` it reports the answers that they turned.
    """
    reach("gate.before")
    every = sorted(chunk.id for chunk in wanted.chunks)
    content, vectors, n_wanted = digest_rows(wanted.rows(every))
    found = digest_rows(store.rows(ref))
    intact = found == (content, vectors, n_wanted)
    ref, mended = _mend_lost_rows(ref, wanted.rows(plan.write), store, params.gate.mend_attempts, intact=intact)
    found_content, found_vectors, n_chunks = digest_rows(store.rows(ref)) if mended else found
    refuse_other_rows((found_content, found_vectors, n_chunks), (content, vectors, n_wanted), ref.name)
    reach("gate.read")
    wide, asked = _widen(params.search), golden.questions
    hits = search_questions(store, ref, asked, golden.vectors, wide)
    recall = measure_retrieval(asked, rank_questions(hits), [10])["recall_at_10"] if asked else None
    if recall is not None:
        refuse_low_recall(recall, len(asked), base, params.gate)
    turned: tuple[Turned, ...] = ()
    if embed is not None and base is not None and base.embedder_fingerprint == wanted.fingerprint:
        turned = _find_turned(hits, plan, base, store, golden, wide, embed)
    reach("gate.after")
    return ref, GateReport(content, found_vectors, n_chunks, mended, recall, turned)


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
    """Make the generation durable, write its record, move the pointer, and delete what is no longer retained."""
    reach("publish.before")
    store.make_durable(ref)
    reach("publish.durable")
    earlier, digest = shelf.releases(), corpus_digest(wanted.documents)
    release = Release(
        generation=ref.generation,
        index=ref,
        content_digest=report.content_digest,
        vectors_digest=report.vectors_digest,
        corpus_digest=digest,
        params_digest=provenance.params_digest,
        embedder_fingerprint=wanted.fingerprint,
        embedder_model=provenance.embedder_model,
        embedder_sha256=provenance.embedder_sha256,
        base_model_sha256=provenance.base_model_sha256,
        git_commit=provenance.git_commit,
        created_utc=provenance.created_utc,
        n_chunks=report.n_chunks,
        recall_at_10=report.recall_at_10,
        documents=date_documents(
            {d.id: DocumentEntry(d.version, d.title) for d in wanted.documents},
            earlier,
            ref.generation,
            provenance.created_utc,
        ),
        adapters=provenance.adapters,
        n_updates=count_updates(digest, earlier),
    )
    shelf.publish(release, expected_served=expected_served)
    reach("publish.pointed")
    retained = shelf.retain(params.index.retain_generations)
    reach("publish.retained")
    store.drop_all_but([kept.index for kept in retained])
    reach("publish.dropped")
    return release


def is_current(release: Release, plan: RefreshPlan, wanted: Wanted, params_digest: str) -> bool:
    """Return whether `release` already is what a refresh would publish."""
    return (
        plan.is_noop
        and release.corpus_digest == corpus_digest(wanted.documents)
        and release.params_digest == params_digest
        and release.embedder_fingerprint == wanted.fingerprint
    )


def require_intact(release: Release, store: IndexStore) -> None:
    """Read every row and every file of a release's index; raise IntegrityFailed if bytes changed."""
    if altered := store.altered_files(release.index):
        names = ", ".join(altered[:3]) + (f" and {len(altered) - 3} more" if len(altered) > 3 else "")
        raise IntegrityFailed(f"bytes changed in {release.index.name}: {names}", where=release.id, do=_MEND)
    # A search reads files that hold no rows, too.
    store.count(release.index, expected=release.n_chunks)
    content, vectors, count = digest_rows(store.rows(release.index))
    if count != release.n_chunks:
        raise IntegrityFailed(f"{counted(count, 'chunk')}, not {release.n_chunks:,}", where=release.id, do=_MEND)
    if content != release.content_digest:
        raise IntegrityFailed("the content is not what was published", where=release.id, do=_MEND)
    if vectors != release.vectors_digest:
        raise IntegrityFailed("the vectors are not what was published", where=release.id, do=_MEND)
    store.check_words(release.index)


LOST_CHUNKS = ("chunk is not found by its own vector", "chunks are not found by their own vector")
"""What is said of one row that a search does not find, and of several."""

REMOVE = "`lorag doctor --mend` removes it"
_MEND = f"{REMOVE}, `lorag refresh` builds a new one"


def name_prefix(params: IndexParams, fingerprint: str) -> str:
    """Return the beginning of the names of an embedder's indexes."""
    # Vectors of two embedders are never in one table.
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
            f"{counted(len(lost), *LOST_CHUNKS)}; the first is {lost[0]}",
            where=ref.name,
            do="run `lorag doctor`",
        )
    return ref, mended


def _find_turned(
    hits: Mapping[str, Sequence[Hit]],
    plan: RefreshPlan,
    base: Release,
    store: IndexStore,
    golden: Golden,
    search: SearchParams,
    embed: EmbedTexts,
) -> tuple[Turned, ...]:
    places = {question.id: at for at, question in enumerate(golden.questions)}

    def search_before(question: GoldenQuestion) -> Sequence[Hit]:
        at = places[question.id]
        return search_questions(store, base.index, [question], golden.vectors[at : at + 1], search)[question.id]

    return find_turned(golden.questions, hits, set(plan.write), search_before, base.documents, embed)


def _widen(search: SearchParams) -> SearchParams:
    """Return settings of the gate's search: it asks whether a page is found, not whether a newer one replaces it."""
    wide = {"top_k": max(search.candidates, 10), "max_per_document": 1_000, "mmr_lambda": None, "prefer_newer": False}
    return search.model_copy(update=wide)
