"""The kinds of work of a writer that tests end at any place, and what is served then.

Each is done on a copy of one workspace, beside which lies what the work is made of.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.stores import open_store
from lorag.params_file import load_params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.forgotten import LEDGER, forget, read_forgotten
from lorag.releases.record import AdapterEntry
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate.back_up import back_up, restore
from lorag.use_cases.operate.backups import backups_with_forgotten
from lorag.use_cases.operate.forget import forget_document
from lorag.use_cases.refresh import steps
from lorag.use_cases.refresh.pending_work import read_knowledge, settle
from lorag.use_cases.retrain.publish_adapters import publish_adapters
from lorag.use_cases.serve.manage_releases import check_releases, roll_back
from lorag.use_cases.serve.search import search_workspace
from lorag.workspace import Workspace
from tests.use_cases.conftest import PAGES, make_place

KIND = AdapterKind.TUNED
ERASED, WORD, ARCHIVE = "berths.md", b"Quellwick", "w.zip"


def refresh(workspace: Workspace) -> None:
    """Everything of a refresh behind the stages, whose artifacts lie beside the workspace."""
    params = load_params(workspace.params_file)
    shutil.copytree(workspace.root.parent / "next", workspace.root / "artifacts", dirs_exist_ok=True)
    knowledge = read_knowledge(workspace, params)
    store = open_store(params.index, workspace.state, {})
    try:
        planned = steps.plan(workspace, params, store, rebuild=False, allow_shrink=True)
        if (release := steps.current_release(planned)) is not None:
            steps.serve_again(workspace, planned, release)
        else:
            ref, report = steps.gate(steps.apply(planned, store, params), planned, workspace, store, params)
            steps.publish(ref, report, planned, workspace, store, params)
    finally:
        store.close()
    settle(knowledge, workspace, params, {})


def snapshot(workspace: Workspace) -> None:
    """What a refresh does before the stages: copy, version, commit."""
    params = load_params(workspace.params_file)
    steps.snapshot(workspace, params)
    steps.commit_versions(workspace, params)


def rollback(workspace: Workspace) -> None:
    roll_back(workspace, load_params(workspace.params_file), {}, "1")


def retrain(workspace: Workspace) -> None:
    """What a retrain does with an adapter that passed its gate."""
    params = load_params(workspace.params_file)
    made = workspace.root.parent / "adapter"
    sha256 = AdapterShelf(workspace.adapters).keep({path.name: path for path in sorted(made.iterdir())})
    served = ReleaseShelf(workspace.state).in_use()
    if served is not None and served.adapters[KIND].sha256 == sha256:
        return
    base = base_model_sha256(params.generation.model)
    entry = AdapterEntry(f"{KIND}-{sha256[:10]}", sha256, base, "set", "facts", {"berths.md": "1"}, {})
    publish_adapters({KIND: entry}, base, workspace, params, {})


def erase(workspace: Workspace) -> None:
    """The erasure of a document that is in the index, in the adapter's lineage and in the artifacts."""
    forget_document(ERASED, workspace, load_params(workspace.params_file), {})


def save(workspace: Workspace) -> None:
    """A backup, unless there is one: the command refuses the name of a file that exists."""
    archive = workspace.root.parent / ARCHIVE
    if not archive.exists():
        back_up(workspace, archive, {})


def bring_back(workspace: Workspace) -> None:
    """A restore, unless it is there, of a backup that has a document which was forgotten later."""
    beside = workspace.root.parent
    if not (beside / "restored").exists():
        restore(beside / "old" / ARCHIVE, beside / "restored", {}, forgotten=beside / "old" / LEDGER)


def n_holding(root: Path) -> int:
    """How many files of the workspace hold the text of the document that `erase` erases, or its index."""
    files = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    return sum(WORD in path.read_bytes() for path in files if "prefect" not in path.parts)


SCENARIOS: dict[str, tuple[Callable[[Workspace], None], tuple[str, ...]]] = {
    "snapshot": (snapshot, ("snapshot", "commit")),
    "refresh": (
        refresh,
        ("plan", "apply", "gate", "publish", "sums", "record", "audit", "pointer", "settled"),
    ),
    "rollback": (rollback, ("rollback", "withdrawn", "audit", "pointer")),
    "retrain": (retrain, ("adapter", "adapters", "record", "audit", "pointer")),
    "forget": (erase, ("forget", "forgotten", "forgetting", "sums", "record", "audit", "pointer")),
    "backup": (save, ("backup", "audit")),
    "restore": (bring_back, ("restore", "audit")),
}
"""Each kind of work, and the first words of the places that it reaches."""

ERASING = {"forget": "w", "restore": "restored"}
"""The workspace that the work leaves without the erased document."""

BESIDE = {"w", "docs", "next", "adapter", "old", ARCHIVE, "restored"}
"""What may be beside a workspace in the end; anything else was left by a killed writer."""


def make(folder: Path) -> None:
    """Make a workspace with three releases, the last one with an adapter, and what the next ones are made of."""
    place = make_place(folder)
    for number, depth in enumerate(("7.25", "8.40", "9.10")):
        (place.source / "berths.md").write_text(PAGES["berths.md"].replace("7.25", depth))
        if number < 2:
            place.refresh()
    place.publish_adapter(2)
    before = folder / "before"
    shutil.copytree(place.workspace.root / "artifacts", before)
    from lorag.stages import run_stage

    for stage in ("versions", "documents", "chunks", "embeddings"):
        run_stage(stage, place.workspace.root)
    (place.workspace.root / "artifacts").rename(folder / "next")
    shutil.copytree(before, place.workspace.root / "artifacts")
    shutil.copytree(place.make_adapter(1), folder / "adapter")
    settings = {"knowledge": {"source": "data/copy", "origin": "../docs"}, "index": {"retain_generations": 2}}
    change_params(place.workspace.params_file, settings)
    back_up(place.workspace, folder / "old" / ARCHIVE, {})
    forgetting = Workspace(folder / "forgetting" / "w")
    shutil.copytree(place.workspace.root, forgetting.root, symlinks=True)
    erase(forgetting)
    shutil.copyfile(forgetting.state / LEDGER, folder / "old" / LEDGER)


def state(workspace: Workspace) -> dict[str, Any]:
    """What is served, and what `lorag doctor` says of it."""
    params = load_params(workspace.params_file)
    served = ReleaseShelf(workspace.state).served()
    checks = check_releases(workspace, params, {})
    told = search_workspace("berth", workspace, params, {}, top_k=1)
    return {
        "release": served.id if served else None,
        "content": served.content_digest if served else None,
        "adapters": {kind.value: entry.sha256 for kind, entry in served.adapters.items()} if served else {},
        "found": [hit.chunk.text for hit in told.hits],
        "fell_back_from": told.fell_back_from,
        "denied": read_forgotten(workspace.state).names(ERASED),
        "problems": [f"{check.name}: {check.problem}" for check in checks if check.problem],
    }


def state_beside(workspace: Workspace) -> dict[str, Any]:
    """The state of a workspace, of the one that was restored beside it, and of what a backup of it brings back."""
    archive, restored = (workspace.root.parent / name for name in (ARCHIVE, "restored"))
    found = {**state(workspace), "restored": state(Workspace(restored)) if restored.exists() else None, "backup": None}
    if archive.exists():
        copy = restore(archive, workspace.root.parent / "copy", {}).workspace
        found["backup"] = {**state(Workspace(copy)), "known": is_known(workspace, archive)}
        shutil.rmtree(copy)
    return found


def is_known(workspace: Workspace, archive: Path) -> bool:
    """Whether the archive would go at the end of its term if a document were forgotten now."""
    forgetting = workspace.root.parent / "forgetting"
    shutil.copytree(workspace.state, forgetting / ".lorag")
    forget(forgetting / ".lorag", ["any.md"], [])
    known = backups_with_forgotten(Workspace(forgetting))
    shutil.rmtree(forgetting)
    return archive in [one.archive for one in known]


def copied(folder: Path, target: Path) -> Workspace:
    """A copy of the workspace of `make` in a new or other folder, with all that lies beside it."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("docs", "next", "adapter", "old"):
        (target / name).symlink_to(folder / name)
    shutil.copytree(folder / "w", target / "w", symlinks=True)
    return Workspace(target / "w")
