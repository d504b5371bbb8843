"""A forgotten document is in no answer from that moment on, and in the end in no store; P22, P23, P24 and P26."""

import hashlib
import json
import random
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from lorag.errors import Busy, IntegrityFailed, NotThere, ParamsError
from lorag.integrations.mlflow.traces import TracedAnswer, log_served
from lorag.integrations.mlflow.tracking import locate_tracking, set_up_mlflow, start_run
from lorag.integrations.stores import open_store
from lorag.knowledge.documents import Reason
from lorag.releases.durable import writer_lock
from lorag.releases.forgotten import LEDGER, forget, read_forgotten
from lorag.retrieval.index.store import Filter
from lorag.strategies import Strategy
from lorag.use_cases.init_workspace import init_workspace
from lorag.use_cases.operate.back_up import back_up, restore
from lorag.use_cases.operate.backups import KEEP_DAYS, drop_expired
from lorag.use_cases.operate.forget import Receipt, forget_document, plan_forget
from lorag.use_cases.refresh import steps
from lorag.use_cases.refresh.leave_out import let_in_again
from lorag.use_cases.serve.live import LiveRelease
from lorag.use_cases.serve.query_log import Passage, Query, QueryLog, Verdict, append_line, read_queries, utc_now
from lorag.use_cases.serve.search import search_with, search_workspace
from lorag.workspace import Workspace
from tests.use_cases.conftest import PAGES, Place
from tests.use_cases.operate.canary import encodings, find

CANARY = "quetzal7f3a9c51b2d4"
EARLIER = "ocelot8e4b0d62c3e5"
SENTENCE = f"The keeper wrote {CANARY} into the log of the harbour on a Tuesday."
SECRET = "log/harbour.md"
QUESTION = {
    "id": "q1",
    "question": "Which word did the keeper write into the log on that day?",
    "answers": [CANARY],
    "gold_doc_ids": [SECRET],
}
OTHER = {"id": "q2", "question": "When does the galley open?", "answers": ["06:50"], "gold_doc_ids": ["kitchen.md"]}


def make(folder: Path, pages: Mapping[str, str]) -> Place:
    """A workspace with a copy of its source, as `lorag init` makes one; no language model is opened."""
    source = folder / "docs"
    for name, text in pages.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (QUESTION, OTHER)))
    workspace = init_workspace(folder / "w", source, folder / "questions.jsonl")
    workspace.state.mkdir()
    return Place(workspace, source, folder)


def refresh(place: Place) -> None:
    steps.snapshot(place.workspace, place.params)
    place.refresh()


def found_in(place: Place, query: str = CANARY) -> list[str]:
    return [hit.chunk.document_id for hit in search_workspace(query, place.workspace, place.params, {}).hits]


def plant(objects: Path, data: bytes) -> None:
    """An object as DVC keeps it."""
    name = hashlib.md5(data, usedforsecurity=False).hexdigest()
    (objects / name[:2]).mkdir(parents=True, exist_ok=True)
    (objects / name[:2] / name[2:]).write_bytes(data)


def fill(place: Place) -> None:
    """Put into each store what a workspace in use has there: what the work itself leaves, or the same by hand."""
    workspace = place.workspace
    root, state = workspace.root, workspace.state
    objects = root / ".dvc" / "cache" / "files" / "md5"
    for path in (workspace.documents_file, workspace.chunks_file, workspace.embeddings_file):
        plant(objects, path.read_bytes())
    remote = root.parent / "nas"
    with (root / ".dvc" / "config").open("a") as file:
        file.write(f"['remote \"nas\"']\n    url = {remote}\n['remote \"bucket\"']\n    url = s3://elsewhere/x\n")
    for path in objects.rglob("*"):
        if path.is_file():
            (remote / path.relative_to(root / ".dvc" / "cache")).parent.mkdir(parents=True, exist_ok=True)
            (remote / path.relative_to(root / ".dvc" / "cache")).write_bytes(path.read_bytes())
    (workspace.validation_folder).mkdir(parents=True)
    (workspace.validation_folder / "page.html").write_text(f"<td>unexpected: {SENTENCE}</td>")
    workspace.reports.mkdir(exist_ok=True)
    (workspace.reports / "comparison.html").write_text(f"<q>{SENTENCE}</q>")
    passage = {"document_id": SECRET, "chunk_id": "c1", "text": SENTENCE}
    append_line(workspace.queries_file, {"question": "What?", "answer": CANARY, "passages": [passage]})
    append_line(workspace.queries_file, {"question": "And kippers?", "answer": "Yes.", "passages": []})
    append_line(workspace.question_candidates_file, {"id": "cand_1", "passages": [passage]})
    append_line(root / "drafts.jsonl", {**QUESTION, "passage": SENTENCE})
    workspace.last_comparison.write_text(json.dumps({"rows": [SENTENCE]}))
    (state / "run").mkdir()
    (state / "run" / "serve.log").write_text(f"asked: {CANARY}\nstarted\n")
    (state / "prefect").mkdir()
    with closing(sqlite3.connect(state / "prefect" / "prefect.db")) as database, database:
        database.execute("CREATE TABLE log (message TEXT)")
        database.executemany("INSERT INTO log VALUES (?)", [(SENTENCE,), ("started",)])
    location = locate_tracking(state, {})
    set_up_mlflow()
    with start_run(location, place.params.tracking.experiment, "answers", {}) as run:
        run.log_json({"data": [[QUESTION["question"], CANARY]]}, "answers.json")
        run.log_json({"data": [["06:50"]]}, "other.json")
    now = time.time_ns()
    for answer in (CANARY, "06:50"):
        log_served(location, "served", [TracedAnswer("answer rag", "Which?", answer, now, now, now, (), {}, {})])


@dataclass(frozen=True)
class Erased:
    place: Place
    before: Counter[str]
    after: Counter[str]
    planned: Receipt
    receipt: Receipt
    vectors_before: bool
    vectors_after: Counter[str]


@pytest.fixture(scope="module")
def erased(tmp_path_factory: pytest.TempPathFactory) -> Erased:
    """A workspace that had a document in every store in two versions, and forgot it."""
    folder = tmp_path_factory.mktemp("erased")
    place = make(folder, {**PAGES, SECRET: f"# Harbour log\n\n{SENTENCE.replace(CANARY, EARLIER)}\n"})
    refresh(place)
    (place.source / SECRET).write_text(f"# Harbour log\n\n{SENTENCE}\n")
    refresh(place)
    fill(place)
    store = open_store(place.params.index, place.workspace.state, {})
    release = place.shelf.served()
    assert release is not None
    (row,) = [row for row in store.rows(release.index) if row.chunk.document_id == SECRET]
    store.close()
    vector = [row.vector.astype("<f4").tobytes()]
    needles = [*encodings(CANARY), *encodings(EARLIER)]
    before, vectors = find(folder, needles), find(folder, vector)
    planned = plan_forget(SECRET, place.workspace, place.params, {})
    assert find(folder, needles) == before, "a plan changes nothing"
    receipt = forget_document(SECRET, place.workspace, place.params, {})
    return Erased(place, before, find(folder, needles), planned, receipt, bool(vectors), find(folder, vector))


HOLDERS = (
    *("w/.lorag/words", "w/.lorag/cache.sqlite", "w/.lorag/queries.jsonl", "w/.lorag/candidates.jsonl"),
    *("w/.lorag/comparison.json", "w/.lorag/run", "w/.lorag/prefect", "w/.lorag/mlflow", "w/.dvc/cache"),
    *("w/data/source", "w/data/questions.jsonl", "w/artifacts/documents.jsonl", "w/artifacts/chunks.jsonl"),
    *("w/artifacts/validation", "w/reports", "w/drafts.jsonl", "rows", "nas/files"),
)
"""Every store that is to be purged: one that did not hold the document before would prove nothing."""


def test_faults_10_a_forgotten_document_is_in_no_store(erased: Erased) -> None:
    assert set(HOLDERS) <= set(erased.before), f"held by {sorted(erased.before)}"
    assert set(erased.after) == {"docs/log", "questions.jsonl"}, "the user's own files stay"
    assert erased.vectors_before and not erased.vectors_after


def test_what_does_not_concern_it_stays(erased: Erased) -> None:
    place = erased.place
    assert found_in(place, "kippers in the galley")[0] == "kitchen.md"
    (query,) = place.workspace.queries_file.read_text().splitlines()
    assert "kippers" in query and (place.workspace.state / "run" / "serve.log").read_text() == "started\n"
    left = {path.name for path in (place.workspace.state / "mlflow" / "artifacts").rglob("*.json")}
    assert "other.json" in left and "answers.json" not in left
    assert (place.workspace.root / "data/source/kitchen.md").is_file()
    assert OTHER["question"] in (place.workspace.root / "data/questions.jsonl").read_text()


def test_the_receipt_says_what_was_found_as_the_plan_did_and_what_is_left(erased: Erased) -> None:
    counts = {one.store: one.count for one in erased.receipt.stores}
    planned = {one.store: one.count for one in erased.planned.stores}
    # A trace that is deleted takes its values in the database with it.
    assert {**planned, "runs in MLflow": counts["runs in MLflow"]} == counts
    held = {store for store, count in counts.items() if count}
    assert held == {
        *("index", "copy of the source", "copy of the questions", "drafted questions", "artifacts", "reports", "cache"),
        *("questions asked, answers, logs", "traces in MLflow", "runs in MLflow", "runs in Prefect", "DVC cache"),
        "DVC remote nas",
    }
    assert [one.place for one in erased.receipt.stores if one.problem] == ["elsewhere"], "the bucket"
    limits = " ".join(erased.receipt.limits)
    assert f"the source still has {SECRET}" in limits and "that cite it: 1;" in limits
    (kept,) = erased.place.workspace.receipts.iterdir()
    assert json.loads(kept.read_text()) == json.loads(json.dumps(erased.receipt.to_json()))
    assert not erased.planned.done and erased.receipt.done
    assert len(erased.receipt.dropped_releases) == 2
    assert [release.id for release in erased.place.shelf.releases()] == [erased.receipt.release]


def test_it_does_not_come_back(erased: Erased) -> None:
    place = erased.place
    (place.source / "copy.md").write_bytes((place.source / SECRET).read_bytes())
    try:
        refresh(place)
        rejected = {item.name: item.reason for item in steps.read_rejected(place.workspace.rejected_file)}
        assert rejected == {SECRET: Reason.FORGOTTEN, "copy.md": Reason.FORGOTTEN}
        assert CANARY not in (place.workspace.root / "data/questions.jsonl").read_text()
        report = steps.read_source_report(place.workspace, place.params).to_json()
        assert report["forgotten"] == {"count": 2, "first": ["copy.md", SECRET]}
        assert steps.count_rejected(place.workspace) == 0, "nothing is wrong with them"
        with pytest.raises(ParamsError, match="was not forgotten"):
            let_in_again(["kitchen.md"], place.workspace, place.params)
    finally:
        (place.source / "copy.md").unlink()


def test_a_second_time_there_is_nothing_left_to_do(erased: Erased) -> None:
    place = erased.place
    served, ledger = place.shelf.served_id(), (place.workspace.state / LEDGER).read_bytes()
    again = forget_document(SECRET, place.workspace, place.params, {})
    assert again.done and not again.stores and again.release == served == place.shelf.served_id()
    assert (place.workspace.state / LEDGER).read_bytes() == ledger


@pytest.mark.parametrize("name", ["", " ", "*", "log/*", "log/"])
def test_a_pattern_is_refused(erased: Erased, name: str) -> None:
    for work in (plan_forget, forget_document):
        with pytest.raises(ParamsError, match="names no document"):
            work(name, erased.place.workspace, erased.place.params, {})


@pytest.mark.parametrize("name", ["../docs/berths.md", "/etc/hostname", "log/../../../docs/berths.md"])
def test_a_name_that_leads_out_of_the_source_reaches_no_file(erased: Erased, name: str) -> None:
    with pytest.raises(NotThere):
        forget_document(name, erased.place.workspace, erased.place.params, {})
    assert (erased.place.source / "berths.md").is_file()


def test_an_unknown_document_is_refused_with_the_nearest_names(erased: Erased) -> None:
    with pytest.raises(NotThere, match=r"did you mean kitchen\.md"):
        forget_document("kichen.md", erased.place.workspace, erased.place.params, {})


def test_a_system_that_forgot_a_document_equals_one_that_never_had_it(erased: Erased, tmp_path: Path) -> None:
    never = make(tmp_path, PAGES)
    refresh(never)
    one, other = erased.place.shelf.served(), never.shelf.served()
    assert one is not None and other is not None
    assert (one.content_digest, one.corpus_digest, one.n_chunks) == (
        other.content_digest,
        other.corpus_digest,
        other.n_chunks,
    )
    for name in ("documents_file", "chunks_file"):
        assert getattr(erased.place.workspace, name).read_bytes() == getattr(never.workspace, name).read_bytes()


@pytest.mark.full
@pytest.mark.timeout(1_800)
def test_it_equals_one_that_never_had_it_for_each_of_twenty_documents(tmp_path: Path) -> None:
    draws = random.Random(7)
    words = [f"word{number}" for number in range(60)]
    pages = {
        f"pages/{number}.md": f"# Page {number}\n\n{' '.join(draws.choices(words, k=draws.randint(5, 300)))}.\n"
        for number in range(20)
    }
    (tmp_path / "all").mkdir()
    full = make(tmp_path / "all", pages)
    refresh(full)
    for name in pages:
        folders = tmp_path / "one", tmp_path / "never"
        one = copied(tmp_path / "all", folders[0])
        forget_document(name, one.workspace, one.params, {})
        never = make(folders[1], {other: text for other, text in pages.items() if other != name})
        refresh(never)
        forgot, expected = one.shelf.served(), never.shelf.served()
        assert forgot is not None and expected is not None
        assert (forgot.content_digest, forgot.corpus_digest) == (expected.content_digest, expected.corpus_digest)
        for file in ("documents_file", "chunks_file"):
            assert getattr(one.workspace, file).read_bytes() == getattr(never.workspace, file).read_bytes()
        for folder in folders:
            shutil.rmtree(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the document in its release, which each test copies."""
    folder = tmp_path_factory.mktemp("made")
    refresh(make(folder, {**PAGES, SECRET: f"# Harbour log\n\n{SENTENCE}\n"}))
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Place:
    """A workspace of the test's own."""
    return copied(made, tmp_path)


def copied(made: Path, folder: Path) -> Place:
    shutil.copytree(made, folder, dirs_exist_ok=True, symlinks=True)
    for name in ("params.yaml", ".dvc/config"):
        path = folder / "w" / name
        path.write_text(path.read_text().replace(str(made), str(folder)))
    return Place(Workspace(folder / "w"), folder / "docs", folder)


def test_the_ledger_alone_takes_it_out_of_every_answer(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lorag.use_cases.serve.live.open_generator", lambda *given: None)
    live = LiveRelease(place.workspace, {})
    with live.use(None) as opened:
        assert SECRET in opened.served.release.documents
    log, found = QueryLog(place.workspace, 30), (Passage(SECRET, "c1", SENTENCE),)
    said = ("ans_1", utc_now(), "owner", "answers", "Which word?", Strategy.RAG, CANARY, "generated", None, "r1")
    query = Query(*said, found, (), 1.0, 1, 1, 0.0, "EUR")
    log.add(query)
    forget(place.workspace.state, [SECRET], [])
    with live.use(None) as opened:
        served = opened.served
        hits = search_with(CANARY, served, None, opened.params).hits
        assert hits and all(hit.chunk.document_id != SECRET for hit in hits)
        assert SECRET not in served.release.documents
        store, ref = served.searcher.store, served.release.index
        assert not store.chunks(ref, Filter((SECRET,))) and SECRET not in {
            e.document_id for e in store.entries(ref).values()
        }
        assert len(store.search_text(ref, "harbour berth galley keeper", 2)) == 2, "so many as were asked for"
    assert SECRET not in found_in(place)
    with pytest.raises(NotThere):
        log.mark("ans_1", Verdict.RIGHT, "", "owner", of_any_key=True)
    log.add(replace(query, id="ans_2"))
    assert [one.id for one in read_queries(place.workspace.queries_file)] == ["ans_1"]
    (place.workspace.state / LEDGER).write_text("{}")
    with pytest.raises(IntegrityFailed, match="damaged ledger"), live.use(None):
        pass
    live.close()


@pytest.mark.parametrize("n", [1, pytest.param(5_000, marks=[pytest.mark.full, pytest.mark.timeout(1_800)])])
def test_nobody_who_asks_meanwhile_is_told_of_it_or_turned_away(
    place: Place, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lorag.use_cases.serve.live.open_generator", lambda *given: None)
    live, asked, failed, over = LiveRelease(place.workspace, {}), [], [], threading.Event()

    def ask() -> None:
        while not over.is_set():
            began = time.monotonic()
            try:
                with live.use(None) as opened:
                    names = {
                        hit.chunk.document_id for hit in search_with(CANARY, opened.served, None, opened.params).hits
                    }
                asked.append((began, SECRET in names))
            except Exception as error:
                failed.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    keeping = threading.Thread(target=live.keep_up, args=(0.2,), daemon=True)
    for thread in (*threads, keeping):
        thread.start()
    while not any(told for _, told in asked):
        time.sleep(0.01)
    denied: list[float] = []
    real = forget_document.__globals__["withdraw"]

    def withdraw(*given: object) -> object:
        denied.append(time.monotonic())
        return real(*given)

    monkeypatch.setitem(forget_document.__globals__, "withdraw", withdraw)
    forget_document(SECRET, place.workspace, place.params, {})
    time.sleep(0.5)

    def later() -> list[bool]:
        return [told for began, told in [*asked] if began > denied[0]]

    while len(later()) < n and not failed:
        time.sleep(0.5)
    over.set()
    for thread in threads:
        thread.join()
    live.close()
    assert not failed and later() and not any(later()), (failed[:1], len(later()))


def test_while_another_writer_runs_it_is_out_of_answers_and_not_yet_erased(place: Place) -> None:
    with writer_lock(place.workspace.lock_file), pytest.raises(Busy, match="no answer uses the document"):
        forget_document(SECRET, place.workspace, place.params, {})
    assert SECRET not in found_in(place)
    assert forget_document(SECRET, place.workspace, place.params, {}).stores[0].count == 1


def test_a_document_that_left_the_source_is_still_forgotten_and_let_in_again_if_asked(place: Place) -> None:
    (place.source / SECRET).unlink()
    refresh(place)
    receipt = forget_document(SECRET, place.workspace, place.params, {})
    assert not any("the source still has" in line for line in receipt.limits)
    counts = {one.store: one.count for one in receipt.stores}
    assert counts["cache"] and counts["DVC cache"] and not counts["index"]
    assert not find(place.workspace.root.parent, encodings(CANARY)).keys() - {"questions.jsonl"}
    (place.source / "new.md").write_text(f"# Harbour log\n\n{SENTENCE}\n")
    refresh(place)
    assert "new.md" not in found_in(place)
    let_in_again(["new.md"], place.workspace, place.params)
    refresh(place)
    assert found_in(place)[0] == "new.md"


def test_an_older_backup_does_not_bring_it_back(place: Place, tmp_path: Path) -> None:
    archive = tmp_path / "b.zip"
    back_up(place.workspace, archive, {})
    receipt = forget_document(SECRET, place.workspace, place.params, {})
    assert any(str(archive) in line for line in receipt.limits)
    ledger = tmp_path / "ledger.json"
    ledger.write_bytes((place.workspace.state / LEDGER).read_bytes())
    for name, given in (("one", None), ("two", ledger)):
        if given is not None:
            (place.workspace.state / LEDGER).rename(tmp_path / "kept")
        restored = restore(archive, tmp_path / name / "w", {}, forgotten=given)
        assert restored.notes[-1] == f"erased again, what was forgotten since: {SECRET}"
        assert not find(tmp_path / name, encodings(CANARY)).keys() - {"docs/log", "questions.jsonl"}
        assert read_forgotten(Workspace(restored.workspace).state).names(SECRET)
    (tmp_path / "kept").rename(place.workspace.state / LEDGER)
    assert not drop_expired(place.workspace) and archive.exists()


def test_a_backup_goes_at_the_end_of_its_term_unless_another_file_took_its_place(place: Place, tmp_path: Path) -> None:
    for name in ("b.zip", "c.zip"):
        back_up(place.workspace, tmp_path / name, {})
    listed = place.workspace.state / "backups.jsonl"
    year = int(listed.read_text().split('"made_utc": "')[1][:4])
    listed.write_text(listed.read_text().replace(f'"{year}-', f'"{year - 1}-'))
    assert not drop_expired(place.workspace), "nothing was forgotten yet"
    forget(place.workspace.state, [SECRET], [])
    (tmp_path / "c.zip").write_bytes(b"x" * 100)
    assert KEEP_DAYS == 30 and drop_expired(place.workspace) == [tmp_path / "b.zip"]
    assert not (tmp_path / "b.zip").exists() and (tmp_path / "c.zip").exists()
