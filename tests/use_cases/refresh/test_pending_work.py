"""Each kind of change gives a reason to refresh, and nothing else does."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lorag.costs.records import Cost, Use
from lorag.errors import Busy
from lorag.releases.durable import writer_lock
from lorag.use_cases.change_params import change_params
from lorag.use_cases.operate import watch_knowledge
from lorag.use_cases.operate.watch_knowledge import Watch
from lorag.use_cases.refresh.pending_work import (
    Why,
    find_work,
    read_knowledge,
    settle,
    skip_idle_refresh,
    skip_refresh,
)
from lorag.use_cases.refresh.steps import reproduce
from tests.use_cases.conftest import Place, make_place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A workspace after a refresh, with a copy of it beside it; built once, because the stages take seconds."""
    place = make_place(tmp_path_factory.mktemp("made"))
    change_params(place.workspace.params_file, {"knowledge": {"origin": None}})
    reproduce(place.workspace, place.params)
    place.refresh()
    for folder in (place.workspace.root, place.source):
        shutil.copytree(folder, _kept(folder), symlinks=True)
    return place


@pytest.fixture
def settled(made: Place) -> Place:
    """A workspace whose last refresh is complete."""
    restore(made)
    return made


def restore(place: Place) -> None:
    """Make it as it was after the refresh; the times and inodes of its files are others, so it is settled again."""
    for folder in (place.workspace.root, place.source):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(_kept(folder), folder, symlinks=True)
    settle(read_knowledge(place.workspace, place.params), place.workspace, place.params, {})


def _kept(folder: Path) -> Path:
    return folder.with_name(f"{folder.name} kept")


def reasons(place: Place) -> set[Why]:
    return set(find_work(place.workspace, place.params, {}).reasons)


def remove_from_cache(place: Place) -> None:
    lock = (place.workspace.root / "dvc.lock").read_text()
    oid = lock.partition("artifacts/chunks.jsonl")[2].partition("md5: ")[2][:32]
    path = place.workspace.root / ".dvc/cache/files/md5" / oid[:2] / oid[2:]
    path.chmod(0o644)
    path.unlink()


def edit(path: str, text: str) -> Callable[[Place], None]:
    def change(place: Place) -> None:
        with (place.workspace.root / path).open("a") as file:
            file.write(text)

    return change


def remove(path: str) -> Callable[[Place], None]:
    return lambda place: (place.workspace.root / path).unlink()


def set_params(section: str, **values: object) -> Callable[[Place], None]:
    return lambda place: change_params(place.workspace.params_file, {section: values})


def leave_costs(place: Place) -> None:
    folder = place.workspace.unlogged_costs
    folder.mkdir(exist_ok=True)
    cost = Cost(Use(wall_s=1), 0.1, "EUR").to_json()
    note = {"kind": "refresh", "adapter": None, "started_s": 1.0, "cost": cost, "outcome": "failed", "extent": None}
    (folder / "refresh-1.json").write_text(json.dumps({**note, "pid": 0}))


CHANGES: dict[str, tuple[Callable[[Place], None], set[Why]]] = {
    "a page edited": (lambda p: (p.source / "berths.md").write_text("# Berths\n\nNone.\n"), {Why.SOURCE}),
    "a space at the end of a page": (lambda p: (p.source / "berths.md").open("a").write(" "), {Why.SOURCE}),
    "a page added": (lambda p: (p.source / "new.md").write_text("# New\n"), {Why.SOURCE}),
    "a page removed": (lambda p: (p.source / "kitchen.md").unlink(), {Why.SOURCE}),
    "a page renamed": (lambda p: (p.source / "kitchen.md").rename(p.source / "galley.md"), {Why.SOURCE}),
    "a file of another format": (lambda p: (p.source / "picture.png").write_bytes(b"x"), {Why.SOURCE}),
    "a hidden file, which DVC sees": (lambda p: (p.source / ".hidden").write_text("x"), {Why.SOURCE}),
    "the source away": (lambda p: shutil.rmtree(p.source), {Why.SOURCE}),
    "the questions": (
        lambda p: p.workspace.resolve(p.params.knowledge.questions).write_text(
            '{"id": "1", "question": "How deep?", "answers": ["7.25"], "gold_doc_ids": []}\n'
        ),
        {Why.QUESTIONS},
    ),
    "a setting of answers": (set_params("search", top_k=3), {Why.SETTINGS, Why.PIPELINE}),
    "a setting of a stage alone": (set_params("evaluation", k=[1, 3]), {Why.PIPELINE}),
    "a setting of the gate": (set_params("gate", min_recall_at_10=0.4), {Why.PIPELINE}),
    "versions.json": (remove("versions.json"), {Why.PIPELINE}),
    "dvc.yaml": (edit("dvc.yaml", "# changed\n"), {Why.PIPELINE}),
    "dvc.lock": (remove("dvc.lock"), {Why.PIPELINE}),
    "DVC's settings": (edit(".dvc/config", "[cache]\n    type = copy\n"), {Why.PIPELINE}),
    "an object in DVC's cache": (remove_from_cache, {Why.PIPELINE}),
    "an artifact": (edit("artifacts/chunks.jsonl", "\n"), {Why.PIPELINE}),
    "a page of the validation": (remove("artifacts/validation/report.json"), {Why.PIPELINE}),
    "a report": (remove("reports/index.json"), {Why.PIPELINE}),
    "a file of the index": (
        lambda p: next((p.workspace.state / "lancedb").rglob("*.manifest")).unlink(),
        {Why.INDEX},
    ),
    "costs that no run has": (leave_costs, {Why.COSTS}),
    "no pointer": (remove(".lorag/current.json"), {Why.ROLLED_BACK}),
    "a damaged pointer": (lambda p: (p.workspace.state / "current.json").write_text("{"), {Why.ROLLED_BACK}),
    "no release": (
        lambda p: next((p.workspace.state / "releases").glob("*.json")).unlink(),
        {Why.NOTHING_SERVED},
    ),
    "no note of the last refresh": (remove(".lorag/settled.json"), {Why.SOURCE, Why.PIPELINE, Why.INDEX}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_change_is_a_reason_to_refresh(settled: Place, name: str) -> None:
    change, expected = CHANGES[name]
    assert reasons(settled) == set()
    change(settled)
    assert reasons(settled) == expected
    assert skip_refresh(settled.workspace, settled.params, {}, rebuild=False) is None


def test_what_changes_nothing_is_no_reason(settled: Place) -> None:
    (settled.source / "berths.md").open("a").close()
    edit("params.yaml", "# a remark\n")(settled)
    assert reasons(settled) == set()


def test_a_refresh_without_a_reason_returns_the_served_release(settled: Place) -> None:
    outcome = skip_idle_refresh(settled.workspace, settled.params, {})
    assert outcome is not None
    assert (outcome.release, outcome.published, outcome.stages) == (settled.shelf.served(), False, ())
    assert (outcome.counts.kept, outcome.mlflow_run_id) == (outcome.release.n_chunks, None)
    assert skip_idle_refresh(settled.workspace, settled.params, {}, rebuild=True) is None
    with writer_lock(settled.workspace.lock_file), pytest.raises(Busy):
        skip_idle_refresh(settled.workspace, settled.params, {})


def test_an_edit_while_a_refresh_runs_is_a_reason_for_the_next(settled: Place) -> None:
    knowledge = read_knowledge(settled.workspace, settled.params)
    (settled.source / "berths.md").write_text("# Berths\n\nEdited meanwhile.\n")
    settle(knowledge, settled.workspace, settled.params, {})
    assert reasons(settled) == {Why.SOURCE}


def test_the_watcher_asks_the_same_rule_at_its_start(settled: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(watch_knowledge, "_tell", lambda _, digest: told.append(digest))
    watcher = Watch(settled.workspace, settled.params)
    watcher.look()
    assert told == []
    with writer_lock(settled.workspace.lock_file):
        Watch(settled.workspace, settled.params).look()
    assert len(told) == 1, "a refresh that is running may have read what was there before"
    (settled.source / "berths.md").write_text("# Berths\n\nEdited.\n")
    watcher.look()
    Watch(settled.workspace, settled.params).look()
    assert len(told) == 3
