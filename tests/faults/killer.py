"""Ends a writer at a named place, or at a random moment, in a forked process, and looks at once at what is served.

Run as `python -m tests.faults.killer FOLDER SEED KILLS SCENARIOS POINTS HOW`, with KILLS at random moments of each
scenario and, if POINTS is empty, at all places. HOW is `kill`, or another one of `lorag.failpoints.arm`: the writer
then meets an error there. It imports everything once, opens nothing, and forks a process for each trial, because a fork
after LanceDB has started its threads would hang. It prints a JSON object for each trial.
"""

import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lorag.failpoints import FAILPOINT, NAMES, TEST, arm
from lorag.integrations.models.files import base_model_sha256
from lorag.integrations.stores import open_store
from lorag.params_file import load_params
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.releases.record import AdapterEntry
from lorag.releases.shelf import ReleaseShelf
from lorag.strategies import AdapterKind
from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate.forget import forget_document
from lorag.use_cases.refresh import steps
from lorag.use_cases.refresh.pending_work import read_knowledge, settle
from lorag.use_cases.retrain.publish_adapters import publish_adapters
from lorag.use_cases.serve.manage_releases import check_releases, roll_back
from lorag.workspace import Workspace
from tests.use_cases.conftest import PAGES, make_place

KIND = AdapterKind.TUNED
ERASED, WORD = "berths.md", b"Quellwick"
PRELOADED = ("lancedb", "lancedb.query", "lancedb.index", "pandas", "safetensors.numpy", "dvc.repo", "dvc.repo.add")
"""What the work imports late, and what can be forked: LanceDB's client starts its own thread again in a child."""


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


def n_holding(workspace: Workspace) -> int:
    """How many files of the workspace hold the text of the document that `erase` erases, or its index."""
    files = [path for path in workspace.root.rglob("*") if path.is_file() and ".git" not in path.parts]
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
}
"""Each kind of work, and the first words of the places that it reaches."""


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


def state(workspace: Workspace) -> dict[str, Any]:
    """What is served, and what `lorag doctor` says of it."""
    params = load_params(workspace.params_file)
    served = ReleaseShelf(workspace.state).served()
    checks = check_releases(workspace, params, {})
    store = open_store(params.index, workspace.state, {})
    try:
        hits = store.search_text(served.index, "berth", 1) if served else []
    finally:
        store.close()
    return {
        "release": served.id if served else None,
        "content": served.content_digest if served else None,
        "adapters": {kind.value: entry.sha256 for kind, entry in served.adapters.items()} if served else {},
        "found": hits[0].chunk.text if hits else None,
        "problems": [f"{check.name}: {check.problem}" for check in checks if check.problem],
    }


def in_fork(work: Callable[[], Any], kill_after_s: float | None = None) -> tuple[int, Any]:
    """Return how a forked process that does the work ended, as `os.waitpid` says it, and what the work returned."""
    reading, writing = os.pipe()
    if not (pid := os.fork()):
        status = 1
        try:
            os.close(reading)
            # What libraries print is not for the reader of the results.
            os.dup2(2, 1)
            os.write(writing, json.dumps(work()).encode())
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(reading, "rb") as stream:
        said = stream.read()
    _, status = os.waitpid(pid, 0)
    return status, json.loads(said) if said else None


def copied(folder: Path) -> Workspace:
    target = folder / "trial"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for name in ("docs", "next", "adapter"):
        (target / name).symlink_to(folder / name)
    shutil.copytree(folder / "w", target / "w", symlinks=True)
    return Workspace(target / "w")


def work_of(name: str, workspace: Workspace, point: str | None = None) -> Callable[[], None]:
    def work() -> None:
        if point is not None:
            arm({TEST: "1", FAILPOINT: point})
        SCENARIOS[name][0](workspace)

    return work


def trial(
    folder: Path, name: str, legal: list[dict[str, Any]], point: str | None, after_s: float | None
) -> dict[str, Any]:
    """Kill one scenario at a place, or after some seconds; look, and run it again."""
    workspace = copied(folder)
    status, _ = in_fork(work_of(name, workspace, point), after_s)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    _, after = in_fork(lambda: state(workspace))
    again, _ = in_fork(work_of(name, workspace))
    _, last = in_fork(lambda: state(workspace))
    is_erased = name != "forget" or n_holding(workspace) == 0
    return {
        "scenario": name,
        "point": point,
        "after_s": after_s,
        "killed": killed,
        "is_legal": after in legal,
        "converges": again == 0 and _as(last) == _as(legal[-1]) and is_erased,
        "state": after,
        "last": last,
    }


def _as(value: dict[str, Any] | None) -> Any:
    return {key: item for key, item in (value or {}).items() if key != "release"}


def points_of(name: str) -> list[str]:
    return [point for point in NAMES if point.partition(".")[0] in SCENARIOS[name][1]]


def main() -> None:
    folder, seed, kills = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for module in PRELOADED:
        importlib.import_module(module)
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if not (folder / "w").is_dir():
        assert in_fork(lambda: make(folder))[0] == 0, "the workspace could not be made"
    chosen = random.Random(seed)
    wanted, how = sys.argv[4].split(","), sys.argv[6]
    points = set(sys.argv[5].split(",")) if sys.argv[5] else set(NAMES)
    for name in wanted:
        workspace = copied(folder)
        before = in_fork(lambda workspace=workspace: state(workspace))[1]  # type: ignore[misc]
        began = time.monotonic()
        status, _ = in_fork(work_of(name, workspace))
        took_s = time.monotonic() - began
        after = in_fork(lambda workspace=workspace: state(workspace))[1]  # type: ignore[misc]
        legal = [before, after]
        assert name != "forget" or n_holding(workspace) == 0 < n_holding(Workspace(folder / "w"))
        assert status == 0 and not before["problems"] and not after["problems"], (name, legal)
        moments = [(None, chosen.uniform(0, took_s)) for _ in range(kills)]
        for point, after_s in [*((f"{point}:{how}", None) for point in points_of(name) if point in points), *moments]:
            out.write(json.dumps(trial(folder, name, legal, point, after_s)) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
