"""The status of what is served, and how the source differs from it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lorag.costs.due import Due, Held, When, find_due, hold
from lorag.digests import digest_of
from lorag.errors import LoragError
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.dvc.dvc_repo import lost_remote
from lorag.knowledge.changes import CorpusChanges, compare_versions
from lorag.knowledge.documents import Rejected
from lorag.knowledge.source_report import SourceReport, report_on_source
from lorag.params import Params
from lorag.questions.coverage import Coverage
from lorag.questions.facts import fact_digests
from lorag.questions.questions import Question, read_questions
from lorag.releases.forgotten import Forgotten, read_forgotten
from lorag.releases.record import AdapterEntry, Release
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.check_questions import pages_asked
from lorag.use_cases.asking.versions import read_versions
from lorag.use_cases.refresh.embedding_lag import changed_at
from lorag.use_cases.refresh.pending_work import Why, find_work
from lorag.use_cases.refresh.pipeline import read_source
from lorag.use_cases.refresh.snapshot_source import read_copied
from lorag.use_cases.retrain.last_look import read_look
from lorag.use_cases.retrain.last_retrain import since_last_retrain
from lorag.use_cases.retrain.last_stop import read_stop
from lorag.use_cases.retrain.starting_adapter import read_lineage
from lorag.use_cases.serve.check_models import find_model_problems
from lorag.use_cases.serve.query_log import read_queries
from lorag.use_cases.serve.retrieved import StaleRetrieval, find_stale
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class AdapterState:
    """A served adapter compared with the current knowledge.

    `facts` are those that are new, or whose answer is not the one it was trained on, and that no retrain has seen
    since. `documents_gone` are documents that it was trained on and that no longer exist. If it continued another
    adapter, they include documents which that adapter saw. `due` says when the policy retrains it. `coverage` is that
    of its training; None if an earlier version trained it. `stopped` says why the forecast of the last
    retrain stopped it, a sentence each, if another retrain would be stopped again.
    """

    id: str
    facts: tuple[str, ...]
    documents_gone: tuple[str, ...]
    held: Held
    due: Due
    coverage: Coverage | None = None
    stopped: tuple[str, ...] = ()

    @property
    def is_behind(self) -> bool:
        """Return whether a retrain would teach it something or make it forget something."""
        return bool(self.facts or self.held.gone)

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "id": self.id,
            "behind": self.is_behind,
            "retrain": self.due.when.value,
            "due": self.due.why,
            "facts": list(self.facts),
            "documents_gone": list(self.documents_gone),
            "coverage": self.coverage.to_json() if self.coverage else None,
            "stopped": list(self.stopped),
        }


@dataclass(frozen=True, slots=True)
class Status:
    """The served release compared with the current source, questions and models.

    `params_changed` means that settings, code or models that change an answer differ from those of the release.
    `questions_changed` means that a refresh would read other questions than the last one. `pending` are the reasons for
    which a refresh would do anything at all. `models` maps each model that params name to what is wrong with it; None
    if nothing is. `remote` is what is wrong with the place from which a clone gets the data; None if nothing is.
    `withdrawn` are the kinds of adapters that left service because of a forgotten document, and have no successor yet.
    `waiting_s` are the seconds since the oldest edit of a document that is added or changed; None if none is.
    """

    served: Release | None
    newest: str | None
    changes: CorpusChanges
    rejected: Sequence[Rejected]
    source: SourceReport
    params_changed: bool
    questions_changed: bool
    pending: tuple[Why, ...]
    adapters: Mapping[AdapterKind, AdapterState]
    models: Mapping[str, str | None]
    remote: str | None = None
    withdrawn: tuple[AdapterKind, ...] = ()
    waiting_s: float | None = None
    stale_retrieval: StaleRetrieval | None = None

    @property
    def is_up_to_date(self) -> bool:
        """Return whether a refresh would change nothing that an answer depends on."""
        concerned = any(why.concerns_answers for why in self.pending)
        return self.served is not None and self.changes.is_empty and not self.params_changed and not concerned

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag status --json` prints."""
        return {
            "served": self.served.id if self.served else None,
            "newest": self.newest,
            "created_utc": self.served.created_utc if self.served else None,
            "up_to_date": self.is_up_to_date,
            "params_changed": self.params_changed,
            "questions_changed": self.questions_changed,
            "pending": [why.value for why in self.pending],
            "changes": asdict(self.changes),
            "adapters": {kind.value: state.to_json() for kind, state in self.adapters.items()},
            "withdrawn": [kind.value for kind in self.withdrawn],
            "models": dict(self.models),
            "remote": self.remote,
            "waiting_s": self.waiting_s,
            "stale_retrieval": self.stale_retrieval and self.stale_retrieval.to_json(),
            "rejected": [{"name": r.name, "reason": r.reason.value, "detail": r.detail} for r in self.rejected],
            **self.source.to_json(),
        }


def read_status(workspace: Workspace, params: Params) -> Status:
    """Read the origin of the source, through the parse cache, and compare it with the served release.

    Raises what reading a source raises; the error says too which release stays in service.
    """
    shelf = ReleaseShelf(workspace.state)
    served, forgotten = shelf.in_use(), read_forgotten(workspace.state)
    origin = workspace.resolve(params.knowledge.origin or params.knowledge.source)
    workspace.state.mkdir(mode=0o700, exist_ok=True)
    with BlobCache(workspace.cache_file) as cache:
        keep_ids = served.documents if served else ()
        copied = read_copied(workspace.resolve(params.knowledge.source), params.knowledge)
        try:
            corpus = read_source(origin, params.knowledge, cache, keep_ids=keep_ids, forgotten=forgotten, copied=copied)
        except LoragError as error:
            # A source that cannot be read takes nothing out of service.
            error.more += (f"Release {served.id} stays in service.",) if served else ()
            raise
    versions = {document.id: document.version for document in corpus.documents}
    before = {key: entry.version for key, entry in served.documents.items()} if served else {}
    work = find_work(workspace, params)
    changes = compare_versions(before, versions)
    edited = changed_at([*changes.added, *changes.changed], workspace, params) if served else {}
    return Status(
        served,
        work.newest.id if work.newest else None,
        changes,
        corpus.rejected,
        report_on_source(corpus.documents, corpus.rejected, pages_asked(_questions_file(workspace, params))),
        served is not None and served.params_digest != params.answers_digest(read_versions(workspace, params)),
        Why.QUESTIONS in work.reasons,
        work.reasons,
        _adapter_states(served, work.newest or served, workspace, params, versions),
        find_model_problems(workspace, params, served),
        lost_remote(workspace.root),
        _withdrawn(served, forgotten, params),
        max(0.0, time.time() - min(edited.values())) if edited else None,
        find_stale(read_queries(workspace.queries_file), served, changes) if served else None,
    )


def _withdrawn(served: Release | None, forgotten: Forgotten, params: Params) -> tuple[AdapterKind, ...]:
    missing = forgotten.left_service() - (served.adapters.keys() if served else set())
    return tuple(kind for kind in params.tuning.adapters if kind in missing)


def _questions_file(workspace: Workspace, params: Params) -> Path:
    return workspace.resolve(params.knowledge.questions_origin or params.knowledge.questions)


def _adapter_states(
    served: Release | None,
    newest: Release | None,
    workspace: Workspace,
    params: Params,
    versions: Mapping[str, str],
) -> dict[AdapterKind, AdapterState]:
    if served is None or newest is None or not served.adapters:
        return {}
    questions = [question for question in read_questions(_questions_file(workspace, params)) if question.answers]
    return {
        kind: _adapter_state(kind, entry, newest, questions, workspace, params, versions)
        for kind, entry in served.adapters.items()
    }


def _adapter_state(
    kind: AdapterKind,
    entry: AdapterEntry,
    newest: Release,
    questions: Sequence[Question],
    workspace: Workspace,
    params: Params,
    versions: Mapping[str, str],
) -> AdapterState:
    lineage, look = read_lineage(workspace.adapters / entry.sha256), read_look(workspace, kind, entry.sha256)
    learned, refused = {}, set()
    if lineage is not None and digest_of(lineage["facts"]) == entry.facts_digest:
        # Without a valid lineage it is unknown which facts it learned, so none count as learned.
        learned, refused = lineage["facts"], {row["name"] for row in lineage["refused"]}
    seen = look.facts if look else {}
    wanted = fact_digests(question for question in questions if question.id not in refused)
    behind = tuple(fact for fact, digest in wanted.items() if digest not in (learned.get(fact), seen.get(fact)))
    held = hold(kind, entry.documents, versions, look, n_learned=len(learned), n_facts=len(behind))
    gone = compare_versions(entry.documents, versions).removed
    due = find_due(held, since_last_retrain(workspace, kind, entry, newest), params.policy)
    stopped = read_stop(kind, workspace, params) if due.when is not When.NOT else ()
    return AdapterState(entry.id, behind, gone, held, due, entry.coverage, stopped)
