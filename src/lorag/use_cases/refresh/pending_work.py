"""The one rule for whether a refresh has anything to do, decided without Prefect, DVC, MLflow and the store's client.

At its end each refresh writes down what it read and what it left: digests of the knowledge and the settings, and stamps
of the files that it wrote. While all of it is the same, another refresh would change nothing.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path

from lorag.digests import digest_of
from lorag.errors import LoragError
from lorag.integrations.dvc.dvc_files import locked_stages, stored_objects
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.models.files import resolve_model
from lorag.integrations.stores import open_store
from lorag.params import Params, StoreKind
from lorag.releases.durable import write_json_durably, writer_lock
from lorag.releases.forgotten import LEDGER
from lorag.releases.record import Release
from lorag.releases.shelf import ReleaseShelf
from lorag.retrieval.plan import PlanCounts
from lorag.use_cases.asking.check_questions import check_questions
from lorag.use_cases.asking.unlogged_costs import read_notes
from lorag.use_cases.asking.versions import EMBEDDER, RERANKER, kept_versions, model_references, read_versions
from lorag.use_cases.refresh.knowledge_digest import KnowledgeDigest
from lorag.use_cases.refresh.snapshot_source import refuse_overlaps
from lorag.use_cases.refresh.steps import (
    LIGHT_STAGES,
    EmbeddingCounts,
    RefreshOutcome,
    count_rejected,
    read_source_report,
)
from lorag.workspace import Workspace


class Why(StrEnum):
    """The reasons for a refresh."""

    NOTHING_SERVED = "nothing is served"
    NO_DOCUMENTS = "the served index is empty"
    ROLLED_BACK = "an older release is served"
    SETTINGS = "settings, code or models changed"
    SOURCE = "files of the source changed"
    QUESTIONS = "the questions changed"
    PIPELINE = "files of the pipeline changed"
    INDEX = "files of the index changed"
    MODEL = "a model is not on this machine"
    COSTS = "costs of earlier updates are not logged"

    @property
    def concerns_answers(self) -> bool:
        """Return whether answers may differ after the refresh; if not, what is served is up to date all the same."""
        return self in _ANSWERS


_ANSWERS = (Why.NOTHING_SERVED, Why.ROLLED_BACK, Why.SETTINGS, Why.QUESTIONS)


@dataclass(frozen=True, slots=True)
class PendingWork:
    """The reasons for a refresh, none if it would change nothing, and the newest release."""

    reasons: tuple[Why, ...]
    newest: Release | None


def find_work(workspace: Workspace, params: Params, environment: Mapping[str, str] | None = None) -> PendingWork:
    """Return why a refresh would do something; it is never empty if a refresh would.

    Files that were only touched may give a reason too. The index of a server is compared only with an `environment`.
    """
    shelf = ReleaseShelf(workspace.state)
    newest = next(iter(shelf.releases()), None)
    if newest is None:
        return PendingWork((Why.NOTHING_SERVED,), None)
    return PendingWork(tuple(_reasons(newest, shelf, workspace, params, environment)), newest)


def skip_idle_refresh(
    workspace: Workspace, params: Params, environment: Mapping[str, str], *, rebuild: bool = False
) -> RefreshOutcome | None:
    """Return what `skip_refresh` returns, for who does not hold the writer lock; raise Busy if another writer does."""
    with writer_lock(workspace.lock_file):
        return skip_refresh(workspace, params, environment, rebuild=rebuild)


def skip_refresh(
    workspace: Workspace, params: Params, environment: Mapping[str, str], *, rebuild: bool
) -> RefreshOutcome | None:
    """Return the outcome of a refresh that has nothing to do; None if it has. The caller holds the writer lock.

    Raises ParamsError, as a refresh does, if a copy would overlap its origin or the workspace, and InputRejected for a
    questions file that cannot be read: the refresh would refuse it only after its longest work.
    """
    refuse_overlaps(workspace, params.knowledge)
    if rebuild:
        check_questions(workspace, params)
        return None
    with CostMeter(params.costs) as meter:
        work = find_work(workspace, params, environment)
        if work.reasons or work.newest is None:
            check_questions(workspace, params)
            return None
    return RefreshOutcome(
        release=work.newest,
        published=False,
        counts=PlanCounts(added=0, changed=0, removed=0, kept=work.newest.n_chunks),
        embedding=EmbeddingCounts(),
        stages=(),
        rejected=count_rejected(workspace),
        mended=0,
        source=read_source_report(workspace, params),
        cost=meter.stop(),
    )


def read_knowledge(workspace: Workspace, params: Params) -> dict[str, str | None]:
    """Return digests of what a refresh reads; it takes them before it begins, and `settle` keeps them.

    What is edited while a refresh runs is then read by the next one.
    """
    digest = KnowledgeDigest(workspace, params.knowledge)
    source = digest.read_source()
    if source is not None and params.knowledge.origin is None:
        # DVC's digest of a folder that is read in place covers the other files in it, too.
        source = digest_of([source, [*_stamps([digest.source])]])
    root = workspace.root
    described = [root / "dvc.yaml", root / ".dvcignore", root / ".dvc" / "config", root / ".dvc" / "config.local"]
    described += [path for path in [workspace.state / LEDGER] if path.exists()]
    return {
        "source": source,
        "questions": digest.read_questions(),
        "description": digest_of([_text(path) for path in described]),
    }


def settle(
    knowledge: Mapping[str, str | None], workspace: Workspace, params: Params, environment: Mapping[str, str]
) -> None:
    """Write down that a refresh which read `knowledge` is done; the caller has held the writer lock since then."""
    newest = next(iter(ReleaseShelf(workspace.state).releases()))
    left = {"pipeline": _pipeline(workspace, params), "index": _index(newest, workspace, params, environment)}
    write_json_durably(workspace.settled_file, {**knowledge, **left})


def _reasons(
    newest: Release, shelf: ReleaseShelf, workspace: Workspace, params: Params, environment: Mapping[str, str] | None
) -> Iterator[Why]:
    if not newest.documents:
        yield Why.NO_DOCUMENTS
    if shelf.pointed_id() != newest.id:
        yield Why.ROLLED_BACK
    versions = read_versions(workspace, params)
    if newest.params_digest != params.answers_digest(versions):
        yield Why.SETTINGS
    if _lacks_model(params):
        yield Why.MODEL
    if read_notes(workspace):
        yield Why.COSTS
    settled, knowledge = _read_settled(workspace), read_knowledge(workspace, params)
    if knowledge["source"] is None or settled.get("source") != knowledge["source"]:
        yield Why.SOURCE
    if _questions_changed(settled, knowledge, workspace, params):
        yield Why.QUESTIONS
    is_described = settled.get("description") == knowledge["description"] and versions == kept_versions(workspace)
    if not is_described or settled.get("pipeline") != _pipeline(workspace, params):
        yield Why.PIPELINE
    if params.index.store is StoreKind.LANCEDB or environment is not None:
        try:
            if settled.get("index") != _index(newest, workspace, params, environment or {}):
                yield Why.INDEX
        except LoragError:
            # The refresh itself reports what is wrong with the store.
            yield Why.INDEX


def _lacks_model(params: Params) -> bool:
    references = model_references(params)
    try:
        for name in (EMBEDDER, RERANKER):
            if (reference := references[name]) is not None:
                resolve_model(reference, fetch=False)
    except LoragError:
        return True
    return False


def _questions_changed(
    settled: Mapping[str, str], knowledge: Mapping[str, str | None], workspace: Workspace, params: Params
) -> bool:
    if "questions" in settled:
        return settled["questions"] != knowledge["questions"]
    if params.knowledge.questions_origin is None:
        return False
    paths = (workspace.resolve(path) for path in (params.knowledge.questions_origin, params.knowledge.questions))
    origin, copy = (path.read_bytes() if path.is_file() else None for path in paths)
    return origin != copy


def _read_settled(workspace: Workspace) -> Mapping[str, str]:
    try:
        value = json.loads(workspace.settled_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _pipeline(workspace: Workspace, params: Params) -> str:
    """Return a digest of all that decides which stages DVC finds stale, and of what they left."""
    root, knowledge = workspace.root, params.knowledge
    copies = [
        workspace.resolve(copy)
        for copy, origin in ((knowledge.source, knowledge.origin), (knowledge.questions, knowledge.questions_origin))
        if origin is not None
    ]
    pointers = [path.with_name(f"{path.name}.dvc") for path in copies]
    outputs = [
        workspace.documents_file,
        workspace.rejected_file,
        workspace.chunks_file,
        workspace.embeddings_file,
        workspace.validation_folder,
        *(workspace.reports / name for name in ("index.json", "chunk_tokens.csv", "retrieval.json")),
        workspace.searched_questions,
    ]
    texts = [_text(path) for path in pointers]
    locked = locked_stages(root, LIGHT_STAGES)
    return digest_of(
        [
            version("lorag"),
            params.model_dump(mode="json"),
            texts,
            locked,
            stored_objects(root, "\n".join([locked, *texts])),
            [*_stamps([*copies, *outputs])],
        ]
    )


def _index(newest: Release, workspace: Workspace, params: Params, environment: Mapping[str, str]) -> str:
    """Return a digest of the newest release's index: the files of LanceDB, or the entries in a server's collection."""
    store_kind = params.index.store
    record = [newest.index.name, newest.index.version, newest.corpus_digest, newest.embedder_fingerprint, store_kind]
    if store_kind is StoreKind.LANCEDB:
        return digest_of([record, [*_stamps([workspace.state / "lancedb"])]])
    store = open_store(params.index, workspace.state, environment)
    try:
        entries = store.entries(newest.index)
    finally:
        store.close()
    return digest_of([record, sorted([name, one.content_hash, one.fingerprint] for name, one in entries.items())])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _stamps(paths: Iterable[Path]) -> Iterator[tuple[str, int, int, int]]:
    """Yield name, time in ns, size and inode of each file, and of all files below each folder; no link is followed."""
    for path in paths:
        try:
            status = path.lstat()
        except OSError:
            continue
        if path.is_dir() and not path.is_symlink():
            with os.scandir(path) as entries:
                yield from _stamps(Path(entry.path) for entry in sorted(entries, key=lambda entry: entry.name))
        else:
            yield str(path), status.st_mtime_ns, status.st_size, status.st_ino
