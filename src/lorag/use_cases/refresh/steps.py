"""The steps of a refresh in a workspace; each of them is a task of the flow."""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.costs.ledger import Extent, Outcome, extent_of_refresh
from lorag.costs.records import Cost
from lorag.counted import counted
from lorag.errors import GateRefused, IntegrityFailed, LoragError, ParamsError
from lorag.failpoints import reach
from lorag.integrations import git_repo
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.dvc.dvc_files import altered_outputs
from lorag.integrations.models.embedders import open_embedder
from lorag.integrations.models.files import model_sha256, resolve_model
from lorag.knowledge.artifacts import read_documents, read_rejected
from lorag.knowledge.documents import Corpus, Document
from lorag.knowledge.source_report import SourceReport, report_on_source
from lorag.params import EmbeddingParams, Params, TaskRunnerKind
from lorag.progress import show_progress
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.audit import Action, note_action
from lorag.releases.durable import write_json_durably
from lorag.releases.forgotten import read_forgotten
from lorag.releases.index_gate import refuse_shrinking
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.embed import embed_whole
from lorag.retrieval.index.store import IndexRef, IndexStore
from lorag.retrieval.plan import PlanCounts, RefreshPlan
from lorag.use_cases.asking.artifacts import Wanted, load_wanted
from lorag.use_cases.asking.check_questions import pages_asked
from lorag.use_cases.asking.golden import load_golden
from lorag.use_cases.asking.versions import EMBEDDER, RERANKER, read_versions, write_versions
from lorag.use_cases.refresh.carry_adapters import carry_adapters
from lorag.use_cases.refresh.embedding_lag import EmbeddingLag, measure_lag
from lorag.use_cases.refresh.load_corpus import refuse_empty
from lorag.use_cases.refresh.refresh_index import (
    GateReport,
    Provenance,
    apply_plan,
    gate_generation,
    is_current,
    plan_generation,
    publish_generation,
    require_intact,
    start_from,
)
from lorag.use_cases.refresh.snapshot_source import refuse_overlaps, snapshot_file, snapshot_folder
from lorag.use_cases.refresh.turned_answers import Turned
from lorag.workspace import COMMITTED, Workspace

logger = logging.getLogger(__name__)

INDEX_STAGES = ("validation", "index_report", "retrieval_evaluation")
"""The stages that, with their dependencies, make an index. Only a retrain trains adapters."""

LIGHT_STAGES = ("documents", "chunks", "embeddings", *INDEX_STAGES)
"""All stages of an index. They share a process: none of them needs the memory of a language model."""


@dataclass(frozen=True, slots=True)
class EmbeddingCounts:
    """The amount of work that the embeddings stage did in this run."""

    n_embedded: int = 0
    n_cached: int = 0
    n_tokens: int = 0
    backend: str = "not run"


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages that DVC found stale and ran."""

    stages: tuple[str, ...]
    embedding: EmbeddingCounts


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan with its starting point; `served` is the release id that publishing expects to find.

    The index continues that of the `newest` release. The adapters are those of `in_use`, which differs from `newest`
    after a rollback. `params_digest` identifies the settings and versions that change an answer.
    """

    plan: RefreshPlan
    wanted: Wanted
    newest: Release | None
    in_use: Release | None
    start: IndexRef | None
    generation: int
    served: str | None
    params_digest: str


@dataclass(frozen=True, slots=True)
class RefreshOutcome:
    """The result of a refresh; `published` is False if the newest release was already current.

    `served_again` says that it had been rolled back and is served again now. `lag` is that of the documents that are
    new or changed in it; None if nothing was published. `turned` are the questions that another sentence answers now.
    """

    release: Release
    published: bool
    counts: PlanCounts
    embedding: EmbeddingCounts
    stages: tuple[str, ...]
    rejected: int
    mended: int
    source: SourceReport
    cost: Cost
    mlflow_run_id: str | None = None
    served_again: bool = False
    lag: EmbeddingLag | None = None
    turned: tuple[Turned, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """How the refresh ended, as the ledger counts it."""
        return Outcome.PUBLISHED if self.published else Outcome.CURRENT

    @property
    def extent(self) -> Extent:
        """How much of the index the refresh had to change, as the ledger counts it."""
        counts = self.counts
        return extent_of_refresh(added=counts.added, changed=counts.changed, removed=counts.removed, kept=counts.kept)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag refresh --json` prints; docs/json.md lists its keys."""
        return {
            "release": self.release.id,
            "generation": self.release.generation,
            "published": self.published,
            "served_again": self.served_again,
            "content_digest": self.release.content_digest,
            "vectors_digest": self.release.vectors_digest,
            "corpus_digest": self.release.corpus_digest,
            "n_documents": len(self.release.documents),
            "n_chunks": self.release.n_chunks,
            "plan": {**asdict(self.counts), "embedded": self.embedding.n_embedded},
            "rejected": self.rejected,
            **self.source.to_json(),
            "mended": self.mended,
            "recall_at_10": self.release.recall_at_10,
            "turned_answers": [each.to_json() for each in self.turned],
            "embedding_lag_s": asdict(self.lag) if self.lag else None,
            "stages": list(self.stages),
            "mlflow_run_id": self.mlflow_run_id,
            "cost": self.cost.to_json(),
        }


def snapshot(workspace: Workspace, params: Params, *, allow_empty: bool = False, approve: Collection[str] = ()) -> None:
    """Copy source and questions from their origins, if params name any, and version the copies with DVC.

    Documents that were forgotten are left out, and the questions that cite one. If params ask for approvals, so are the
    files of folders that are new and not in `approve`.

    Raises ParamsError, before anything is changed, if a copy would overlap its origin or the workspace, or if nothing
    waits for an approval that is given.
    """
    knowledge = params.knowledge
    reach("snapshot.before")
    refuse_overlaps(workspace, knowledge)
    forgotten = read_forgotten(workspace.state)
    if knowledge.commit:
        git_repo.refuse_ignored(workspace.root, COMMITTED)
    if approve and not knowledge.approve_new_sources:
        do = "leave --approve out, or set it to true"
        raise ParamsError("nothing waits for an approval", where="knowledge.approve_new_sources", do=do)
    if knowledge.origin is not None:
        source = workspace.resolve(knowledge.source)
        snapshot_folder(
            workspace.resolve(knowledge.origin),
            source,
            knowledge,
            allow_empty=allow_empty,
            progress=_show_copying,
            forgotten=forgotten,
            approve=approve,
        )
        dvc_repo.track(workspace.root, source)
    if approve:
        note_action(workspace.state, Action.APPROVE)
    if knowledge.questions_origin is not None:
        questions = workspace.resolve(knowledge.questions)
        snapshot_file(workspace.resolve(knowledge.questions_origin), questions, forgotten)
        dvc_repo.track(workspace.root, questions)
    reach("snapshot.after")


def _show_copying(n_files: int) -> AbstractContextManager[Callable[[int], None]]:
    """Show a progress bar if the copy takes long enough for one."""
    if n_files < _MANY_FILES:
        return nullcontext(lambda done: None)
    return show_progress("Copying documents", n_files)


_MANY_FILES = 1_000


def reproduce(workspace: Workspace, params: Params) -> Pipeline:
    """Run the stages that DVC finds stale."""
    return _reproduce(workspace, params, INDEX_STAGES)


def prepare(workspace: Workspace, params: Params) -> Pipeline:
    """Read, chunk and embed what is stale, for an adapter that is trained before the next refresh."""
    return _reproduce(workspace, params, ("embeddings",))


def _reproduce(workspace: Workspace, params: Params, targets: Sequence[str]) -> Pipeline:
    write_versions(workspace, params, fetch=[EMBEDDER, RERANKER])
    workspace.embedding_counts_file.unlink(missing_ok=True)
    # A cluster is served by a flow of its own, in a process of its own.
    light = LIGHT_STAGES if params.compute.task_runner is TaskRunnerKind.THREADS else ()
    stages = dvc_repo.reproduce(workspace.root, targets, light=light)
    counts = EmbeddingCounts()
    if workspace.embedding_counts_file.exists():
        counts = EmbeddingCounts(**json.loads(workspace.embedding_counts_file.read_text(encoding="utf-8")))
    return Pipeline(tuple(stages), counts)


def commit_versions(workspace: Workspace, params: Params, message: str = "Refresh the knowledge") -> None:
    """Commit settings and pointers to the data if params ask for it, so that the commit reproduces the release.

    Documents and questions that are read in place are not committed: that is left to their owner.
    """
    knowledge = params.knowledge
    if not knowledge.commit:
        return
    names = [*COMMITTED, knowledge.controls, knowledge.unanswerable, knowledge.style]
    paths = {name: workspace.resolve(name) for name in names}
    inside = workspace.root.resolve()
    reach("commit.before")
    git_repo.commit(
        workspace.root, [n for n, path in paths.items() if path.exists() and path.is_relative_to(inside)], message
    )
    reach("commit.after")


def plan(workspace: Workspace, params: Params, store: IndexStore, *, rebuild: bool, allow_shrink: bool) -> Planned:
    """Plan the changes to the store, compared with the newest release; write all of it again if that one is damaged.

    Unless `allow_shrink`, raises InputRejected if nothing is left to index, and GateRefused for a suspicious loss.
    """
    reach("plan.before")
    shelf = ReleaseShelf(workspace.state)
    newest = next(iter(shelf.releases()), None)
    _refuse_altered(workspace)
    wanted = load_wanted(workspace)
    if not allow_shrink:
        corpus = Corpus(tuple(wanted.documents), tuple(read_rejected(workspace.rejected_file)))
        refuse_empty(corpus, source=workspace.resolve(params.knowledge.source))
    start = None if rebuild else start_from(newest, params.index, wanted.fingerprint)
    found = _plan_from(start, newest, wanted, store)
    if found is None:
        start, found = None, plan_generation(wanted, None, store)
    refuse_shrinking(found, newest, params.gate, allow_shrink=allow_shrink)
    generation = newest.generation + 1 if newest else 1
    digest = params.answers_digest(read_versions(workspace, params))
    reach("plan.after")
    return Planned(found, wanted, newest, shelf.in_use(), start, generation, shelf.pointed_id(), digest)


def _refuse_altered(workspace: Workspace) -> None:
    """Raise IntegrityFailed if what the stages wrote changed since then: DVC looks at times and sizes alone."""
    if altered := altered_outputs(workspace.root, ("documents", "chunks", "embeddings")):
        raise IntegrityFailed(
            f"bytes changed in {', '.join(altered)}",
            where=str(workspace.root),
            do=f"delete {altered[0]}, then run `lorag refresh`: its stage writes it again",
        )


def _plan_from(start: IndexRef | None, newest: Release | None, wanted: Wanted, store: IndexStore) -> RefreshPlan | None:
    """Return the plan from that generation; None, with a warning, if a damage of it shows."""
    try:
        found = plan_generation(wanted, start, store)
        # Nothing would be written, and so nothing compared with what is wanted.
        if start is not None and newest is not None and found.is_noop:
            require_intact(newest, store)
        return found
    except IntegrityFailed as error:
        warn_of_damage(error)
        return None


def can_continue_from(planned: Planned, store: IndexStore) -> bool:
    """Return whether the generation that the plan starts from is what was published; True if it starts from none."""
    if planned.start is None or planned.newest is None:
        return True
    try:
        require_intact(planned.newest, store)
    except IntegrityFailed:
        return False
    return True


def warn_of_damage(error: LoragError) -> None:
    """Say that the index is written again as a whole, and why."""
    logger.warning("the newest release is damaged, so the whole index is written again: %s", error)


def current_release(planned: Planned) -> Release | None:
    """Return the newest release if a refresh would only publish it again; None otherwise."""
    newest, in_use = planned.newest, planned.in_use
    if newest is None or planned.start is None or in_use is None or newest.adapters != in_use.adapters:
        return None
    return newest if is_current(newest, planned.plan, planned.wanted, planned.params_digest) else None


def serve_again(workspace: Workspace, planned: Planned, release: Release) -> Release:
    """Move the pointer back to the newest release, if a rollback moved it; this release has the adapters in use."""
    if planned.served != release.id:
        ReleaseShelf(workspace.state).point_at(release, expected_served=planned.served)
    return release


def apply(planned: Planned, store: IndexStore, params: Params) -> IndexRef:
    """Write the next generation, with a progress bar."""
    with show_progress("Writing the index", len(planned.plan.write)) as advance:
        return apply_plan(planned.plan, planned.wanted, planned.start, planned.generation, store, params.index, advance)


def gate(
    ref: IndexRef, planned: Planned, workspace: Workspace, store: IndexStore, params: Params
) -> tuple[IndexRef, GateReport]:
    """Check the generation; raise GateRefused if it fails."""
    golden = load_golden(workspace, planned.wanted.documents, params)
    # An index that is written anew may follow one that is damaged, which cannot be asked.
    embed = partial(_embed, params.embedding) if planned.start is not None else None
    return gate_generation(ref, planned.plan, planned.wanted, planned.newest, store, golden, params, embed)


def _embed(params: EmbeddingParams, texts: Sequence[str]) -> NDArray[np.float32]:
    embedder = open_embedder(params)
    return embed_whole(texts, embedder, embedder.embed_batch)


def publish(
    ref: IndexRef, report: GateReport, planned: Planned, workspace: Workspace, store: IndexStore, params: Params
) -> Release:
    """Publish the generation, so that it is served; raise GateRefused if a document of it was forgotten meanwhile."""
    forgotten = read_forgotten(workspace.state)
    if meanwhile := [each.id for each in planned.wanted.documents if forgotten.covers(each.id, each.version)]:
        raise GateRefused(
            f"{counted(len(meanwhile), 'document was', 'documents were')} forgotten while this ran",
            do="run `lorag refresh` again, which leaves them out",
        )
    base_model, adapters = carry_adapters(planned.in_use, params, forgotten)
    provenance = Provenance(
        embedder_model=workspace.name_of(params.embedding.model),
        embedder_sha256=model_sha256(resolve_model(params.embedding.model)),
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        params_digest=planned.params_digest,
        git_commit=git_repo.head_commit(workspace.root),
        base_model_sha256=base_model,
        adapters=adapters,
    )
    shelf = ReleaseShelf(workspace.state)
    release = publish_generation(ref, report, planned.wanted, params, provenance, shelf, store, planned.served)
    AdapterShelf(workspace.adapters).retain(shelf.releases())
    reach("publish.after")
    return release


def summarise(
    release: Release,
    report: GateReport | None,
    planned: Planned,
    pipeline: Pipeline,
    workspace: Workspace,
    params: Params,
    cost: Cost,
) -> RefreshOutcome:
    """Return the result of the refresh; `report` is None if nothing had to be published."""
    return RefreshOutcome(
        release=release,
        published=report is not None,
        served_again=report is None and planned.served != release.id,
        counts=planned.plan.counts,
        embedding=pipeline.embedding,
        stages=pipeline.stages,
        rejected=count_rejected(workspace),
        mended=report.mended if report else 0,
        source=_keep_source_report(workspace, params, planned.wanted.documents),
        cost=cost,
        lag=measure_lag(release, workspace, params) if report else None,
        turned=report.turned if report else (),
    )


def read_source_report(workspace: Workspace, params: Params) -> SourceReport:
    """Return the report on the source that the last refresh read."""
    try:
        return SourceReport.from_json(json.loads(workspace.source_report_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return _keep_source_report(workspace, params, read_documents(workspace.documents_file))


def _keep_source_report(workspace: Workspace, params: Params, documents: Iterable[Document]) -> SourceReport:
    """Return the report, and keep it for a refresh that has nothing to do and so reads no documents."""
    asked = pages_asked(workspace.resolve(params.knowledge.questions))
    report = report_on_source(documents, read_rejected(workspace.rejected_file), asked)
    write_json_durably(workspace.source_report_file, report.to_json())
    return report


def count_rejected(workspace: Workspace) -> int:
    """Return how many documents the last documents stage quarantined because of a fault."""
    return sum(item.reason.is_fault for item in read_rejected(workspace.rejected_file))
