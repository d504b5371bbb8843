"""Every place in and around a workspace where a document may lie, each with what is found and removed there."""

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from lorag.errors import IntegrityFailed, LoragError
from lorag.failpoints import reach
from lorag.integrations import git_repo
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.dvc import dvc_repo
from lorag.integrations.dvc.objects import holding_objects, object_folders
from lorag.integrations.erasing import erase_below, erase_lines, files_below
from lorag.integrations.mlflow import erasing as mlflow
from lorag.integrations.mlflow.tracking import locate_tracking
from lorag.integrations.models.files import convert_base_model
from lorag.integrations.models.openvino_model import adapter_forms
from lorag.integrations.parsing.source_folder import REJECTED_FILE
from lorag.integrations.shown_address import shown_address
from lorag.knowledge.artifacts import write_chunks, write_documents
from lorag.knowledge.formats import RECORDS
from lorag.knowledge.remains import Remains
from lorag.params import Params
from lorag.releases.adapter_shelf import CONFIG
from lorag.releases.durable import open_new, writer_lock
from lorag.releases.forgotten import Forgotten
from lorag.strategies import AdapterKind
from lorag.use_cases.asking.artifacts import load_wanted, save_embeddings
from lorag.use_cases.refresh.leave_out import files_named, without_questions, without_records
from lorag.use_cases.refresh.snapshot_source import COPIED_FILE, FIRST_NAMES_FILE
from lorag.use_cases.retrain.starting_adapter import read_lineage, read_starts, write_starts
from lorag.workspace import Workspace

_WAIT_S = 10
_LISTS = (COPIED_FILE, FIRST_NAMES_FILE, REJECTED_FILE, RECORDS)
_OTHER_STATE = frozenset(
    "adapters current.json forgetting.json lancedb mlflow prefect receipts releases run seeds words".split()
)
"""What has its own eraser, what the release in service stands on, and the record of this work."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one store had of the document: so many `things`, such as files. `problem` says why they are still there."""

    store: str
    place: str
    things: str
    count: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Purge:
    """What is to be removed, and from where; if `dry`, it is only looked for.

    `adapters` are the sha256 of adapters that left service.
    """

    workspace: Workspace
    params: Params
    environment: Mapping[str, str]
    remains: Remains
    forgotten: Forgotten
    adapters: Collection[str]
    dry: bool

    def run(self) -> Iterator[Found]:
        """Look through all stores in turn; a second run finds nothing more. Raises StoreFailed for a store in use."""
        for store in _STORES:
            yield from store(self)


def _source_copy(purge: Purge) -> Iterator[Found]:
    """Remove the document from the copy of the source, and version what is left."""
    reach("forget.source")
    if purge.params.knowledge.origin is None:
        return
    copy = purge.workspace.resolve(purge.params.knowledge.source)
    if not copy.is_dir():
        return
    files = files_named(copy, purge.remains.names)
    count = len(files)
    for path in [] if purge.dry else files:
        path.unlink()
        for folder in path.parents:
            if folder == copy or any(folder.iterdir()):
                break
            folder.rmdir()
    for path in copy.rglob(RECORDS):
        count += _rewrite(path, partial(without_records, forgotten=purge.forgotten), dry=purge.dry)
    names = {f"{name}\n" for name in purge.remains.names}
    for name in (COPIED_FILE, FIRST_NAMES_FILE):
        if (copy / name).is_file():
            erase_lines(copy / name, names.__contains__, dry=purge.dry)
    if (copy / REJECTED_FILE).is_file():
        erase_lines(copy / REJECTED_FILE, purge.remains.are_in, dry=purge.dry)
    if not purge.dry:
        dvc_repo.track(purge.workspace.root, copy)
    yield Found("copy of the source", _shown(copy, purge), "files", count)


def _questions(purge: Purge) -> Iterator[Found]:
    """Remove the questions that cite the document from the copy of the questions, and from the drafts."""
    reach("forget.questions")
    knowledge = purge.params.knowledge
    copy = purge.workspace.resolve(knowledge.questions)
    without = partial(without_questions, forgotten=purge.forgotten)
    if knowledge.questions_origin is not None and copy.is_file():
        count = _rewrite(copy, without, dry=purge.dry)
        if not purge.dry:
            dvc_repo.track(purge.workspace.root, copy)
        yield Found("copy of the questions", _shown(copy, purge), "questions", count)
    drafts = purge.workspace.root / "drafts.jsonl"
    if drafts.is_file():
        with writer_lock(purge.workspace.state / "drafts.lock", wait_s=_WAIT_S):
            count = erase_lines(drafts, purge.remains.are_in, dry=purge.dry)
        yield Found("drafted questions", _shown(drafts, purge), "drafts", count)


def _artifacts(purge: Purge) -> Iterator[Found]:
    """Take the document out of the lists of documents and chunks, and remove all that was made of them."""
    reach("forget.artifacts")
    workspace = purge.workspace
    lists = _lists(workspace)
    count = _filter_lists(purge, lists)
    root, gone = workspace.root / "artifacts", set(lists)
    for kind in AdapterKind:
        folders = [workspace.training_folder(kind), workspace.start_folder(kind), workspace.adapter_folder(kind)]
        taught = [folder for folder in folders if folder.is_dir() and _is_taught(folder, kind, purge)]
        if any(folder != workspace.start_folder(kind) for folder in taught):
            made = [workspace.evaluation_folder(kind), workspace.answers / kind.strategy.value]
            taught += [folder for folder in made if folder.is_dir()]
        files = [path for folder in taught for path in files_below(folder)]
        count += len(files)
        gone.update(files)
        for folder in [] if purge.dry else taught:
            shutil.rmtree(folder)
    count += erase_below(root, purge.remains, dry=purge.dry, spare=gone.__contains__, whole=True)
    yield Found("artifacts", "artifacts", "files", count)
    reports = erase_below(workspace.reports, purge.remains, dry=purge.dry, whole=True)
    yield Found("reports", "reports", "files", reports)
    if not purge.dry:
        starts = read_starts(workspace)
        if not set(purge.adapters).isdisjoint(starts.values()):
            write_starts(workspace, {kind: None if sha in purge.adapters else sha for kind, sha in starts.items()})
        # It names what is gone; DVC takes from its run cache what it still can.
        (workspace.root / "dvc.lock").unlink(missing_ok=True)


def _lists(workspace: Workspace) -> tuple[Path, Path, Path]:
    return workspace.documents_file, workspace.chunks_file, workspace.embeddings_file


def _filter_lists(purge: Purge, lists: Collection[Path]) -> int:
    if not any(path.exists() for path in lists):
        return 0
    try:
        wanted = load_wanted(purge.workspace)
        gone = {each.id for each in wanted.documents if purge.forgotten.covers(each.id, each.version)}
        kept = [at for at, chunk in enumerate(wanted.chunks) if chunk.document_id not in gone]
        if gone and not purge.dry:
            documents, chunks, embeddings = lists
            write_documents(documents, (each for each in wanted.documents if each.id not in gone))
            write_chunks(chunks, (wanted.chunks[at] for at in kept))
            save_embeddings(embeddings, wanted.vectors[np.array(kept, int)], wanted.fingerprint)
        return len(lists) if gone else 0
    except (OSError, IndexError, IntegrityFailed):
        # They do not belong together, as after a killed run: the next refresh writes them again.
        for path in [] if purge.dry else lists:
            path.unlink(missing_ok=True)
        return len(lists)


def _is_taught(folder: Path, kind: AdapterKind, purge: Purge) -> bool:
    if folder == purge.workspace.start_folder(kind) and not (folder / CONFIG).is_file():
        return False
    lineage = read_lineage(folder)
    if folder == purge.workspace.adapter_folder(kind):
        lineage = read_lineage(purge.workspace.training_folder(kind))
    return purge.forgotten.taught((lineage or {}).get("documents", {}))


def _caches(purge: Purge) -> Iterator[Found]:
    """Remove parse results, chunks and vectors of the document, and all texts that a model wrote."""
    reach("forget.caches")
    file = purge.workspace.cache_file
    count = 0
    if file.exists():
        with BlobCache(file) as cache:
            count = cache.erase(partial(_is_cached, remains=purge.remains), dry=purge.dry)
    if not purge.dry:
        file.with_name(f"{file.name}.damaged").unlink(missing_ok=True)
    yield Found("cache", _shown(file, purge), "entries", count)


def _is_cached(namespace: str, key: str, value: bytes, *, remains: Remains) -> bool:
    if namespace.startswith("embedding "):
        return key in remains.text_digests
    return namespace not in ("parses", "chunks") or remains.are_in(value.decode("utf-8", "replace"))


def _objects(purge: Purge) -> Iterator[Found]:
    """Remove the objects of DVC's cache and of its remotes."""
    reach("forget.objects")
    weights = [path for path in files_below(purge.workspace.root / "artifacts") if path.suffix == ".safetensors"]
    if purge.dry and _filter_lists(purge, _lists(purge.workspace)):
        # By then it is another file.
        weights = [path for path in weights if path != purge.workspace.embeddings_file]
    current = {hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() for path in weights}
    for folder in object_folders(purge.workspace.root, "DVC cache"):
        store = folder.name if folder.name == "DVC cache" else f"DVC remote {folder.name}"
        if folder.path is None:
            yield Found(store, "elsewhere", "objects", 0, "it is not a folder on this machine; delete it there")
            continue
        found = holding_objects(folder.path, purge.remains, COPIED_FILE, _LISTS, current)
        for path in [] if purge.dry else found:
            path.unlink(missing_ok=True)
        yield Found(store, _shown(folder.path, purge), "objects", len(found))
    if not purge.dry:
        # What DVC remembers of files; it finds that again.
        shutil.rmtree(purge.workspace.root / ".dvc" / "tmp" / "site", ignore_errors=True)


def _mlflow(purge: Purge) -> Iterator[Found]:
    """Remove traces, adapters and files of runs; if MLflow is down, the erasure stays unfinished."""
    reach("forget.mlflow")
    location = locate_tracking(purge.workspace.state, purge.environment)
    artifacts, place = mlflow.local_artifacts(location), location.shown_uri
    own = purge.workspace.state / "mlflow" / "mlflow.db"
    if artifacts is not None and not own.is_file():
        return
    traces = mlflow.erase_traces(location, purge.remains, dry=purge.dry)
    sha256s = frozenset(purge.adapters)
    if artifacts is not None:
        n_adapters, more = mlflow.erase_adapters(artifacts, purge.forgotten.taught, dry=purge.dry)
        sha256s |= more
        yield Found("adapters in MLflow", _shown(artifacts, purge), "adapters", n_adapters)
    mlflow.erase_versions(location, sha256s, dry=purge.dry)
    yield Found("traces in MLflow", place, "traces", traces)
    if artifacts is not None:
        files = mlflow.erase_files(location, purge.remains, dry=purge.dry)
        yield Found("runs in MLflow", _shown(artifacts, purge), "files and values", files)
    else:
        yield Found("runs in MLflow", place, "files", 0, "the files of runs are on a server; delete the runs there")


def _prefect(purge: Purge) -> Iterator[Found]:
    """Remove what runs of flows left: logs, tables, results."""
    reach("forget.prefect")
    folder = purge.workspace.state / "prefect"
    if folder.is_dir():
        yield Found(
            "runs in Prefect", _shown(folder, purge), "values", erase_below(folder, purge.remains, dry=purge.dry)
        )
    if elsewhere := purge.environment.get("PREFECT_API_URL"):
        yield Found("Prefect", shown_address(elsewhere), "runs", 0, "its runs are on a server; delete them there")


def _state(purge: Purge) -> Iterator[Found]:
    """Remove questions, answers, marks and candidates of the service, and whatever else served state has."""
    reach("forget.state")
    state = purge.workspace.state
    count = sum(
        erase_below(path, purge.remains, dry=purge.dry)
        for path in sorted(state.iterdir())
        if path.name not in _OTHER_STATE and not path.name.startswith("cache.sqlite")
    )
    logs = (path for path in files_below(state / "run") if path.suffix == ".log")
    count += sum(erase_lines(path, purge.remains.are_in, dry=purge.dry, in_place=True) for path in logs)
    yield Found("questions asked, answers, logs", _shown(state, purge), "lines and files", count)
    trained = [*(state / "training").glob("*.safetensors"), *(path for path in (state / "seeds").glob("*"))]
    trained = [path for path in trained if path.is_file() or _has_taught_adapter(path, purge)]
    for path in [] if purge.dry else trained:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    yield Found("unfinished trainings, other seeds", _shown(state, purge), "adapters", len(trained))


def _has_taught_adapter(folder: Path, purge: Purge) -> bool:
    lineages = [read_lineage(path.parent) for path in folder.rglob("lineage.json")]
    return not lineages or any(purge.forgotten.taught((each or {}).get("documents", {})) for each in lineages)


def _merged(purge: Purge) -> Iterator[Found]:
    """Remove the model files with adapters merged into them that left service."""
    reach("forget.merged")
    folders: list[Path] = []
    if purge.adapters:
        with suppress(LoragError):
            folders = adapter_forms(convert_base_model(purge.params.generation.model), purge.adapters)
    for folder in [] if purge.dry else folders:
        shutil.rmtree(folder, ignore_errors=True)
    yield Found("merged models", str(folders[0].parent) if folders else "none", "models", len(folders))


def _git(purge: Purge) -> Iterator[Found]:
    """Count what the history of git has; it is not removed."""
    reach("forget.history")
    root = purge.workspace.root
    if git_repo.is_repository_root(root):
        count = git_repo.count_blobs(root, lambda data: purge.remains.are_in(data.decode("utf-8", "replace")))
        kept = "history is not rewritten; `git filter-repo` does that" if count else ""
        yield Found("git history", ".git", "objects", count, kept)


def _rewrite(path: Path, without: Callable[[bytes], bytes], *, dry: bool) -> int:
    """Replace a file by what is left of it; return how many lines went."""
    data = path.read_bytes()
    left = without(data)
    if left != data and not dry:
        temporary = path.with_name(f".{path.name}.tmp")
        with open_new(temporary) as file:
            file.write(left)
        temporary.replace(path)
    return sum(bool(before.strip()) and not after.strip() for before, after in _lines_of(data, left))


def _lines_of(data: bytes, left: bytes) -> Iterator[tuple[bytes, bytes]]:
    return zip(data.split(b"\n"), left.split(b"\n"), strict=False)


def _shown(path: Path, purge: Purge) -> str:
    root = purge.workspace.root
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


_STORES: tuple[Callable[[Purge], Iterator[Found]], ...] = (
    _source_copy,
    _questions,
    _artifacts,
    _caches,
    _state,
    _merged,
    _prefect,
    _objects,
    _mlflow,
    _git,
)
