"""The watcher: a digest of what is there, and one item for a burst of edits."""

import queue
import threading
import time
from pathlib import Path

import pytest

from lorag.params import Params
from lorag.params_file import load_params
from lorag.use_cases.operate import watch_knowledge
from lorag.use_cases.operate.watch_knowledge import KnowledgeDigest, Watch, bursts
from lorag.workspace import Workspace

ROOT = Path(__file__).parents[3]


@pytest.fixture
def params(tmp_path: Path) -> Params:
    params = load_params(ROOT / "params.yaml")
    knowledge = {"origin": str(tmp_path / "docs"), "questions_origin": str(tmp_path / "questions.jsonl")}
    schedules = {"quiet_s": 0.4, "longest_burst_s": 10}
    return params.model_copy(
        update={
            "knowledge": params.knowledge.model_copy(update=knowledge),
            "schedules": params.schedules.model_copy(update=schedules),
        }
    )


@pytest.fixture
def digest(tmp_path: Path, params: Params) -> KnowledgeDigest:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nOne.\n")
    (tmp_path / "questions.jsonl").write_text("{}\n")
    return KnowledgeDigest(Workspace(tmp_path / "w"), params.knowledge)


def test_the_digest_follows_content_names_and_questions_alone(digest: KnowledgeDigest, tmp_path: Path) -> None:
    first = digest.read()
    assert first is not None
    (tmp_path / "docs" / "a.md").touch()
    (tmp_path / "docs" / ".a.md.swp").write_text("an editor's own")
    assert digest.read() == first
    (tmp_path / "docs" / "a.md").write_text("# A\n\nTwo.\n")
    changed = digest.read()
    (tmp_path / "docs" / "a.md").rename(tmp_path / "docs" / "b.md")
    renamed = digest.read()
    (tmp_path / "questions.jsonl").write_text("{ }\n")
    asked = digest.read()
    assert len({first, changed, renamed, asked}) == 4
    (tmp_path / "docs" / "b.md").rename(tmp_path / "docs" / "a.md")
    (tmp_path / "docs" / "a.md").write_text("# A\n\nOne.\n")
    (tmp_path / "questions.jsonl").write_text("{}\n")
    assert digest.read() == first, "the same content gives the same digest"


def test_a_source_that_is_away_has_no_digest(digest: KnowledgeDigest, tmp_path: Path) -> None:
    (tmp_path / "docs").rename(tmp_path / "elsewhere")
    assert digest.read() is None


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests that would be sent to the Prefect server."""
    sent: list[str] = []
    monkeypatch.setattr(watch_knowledge, "_tell", lambda workspace, digest: sent.append(digest))
    return sent


def test_polling_waits_for_a_pause_between_edits(
    digest: KnowledgeDigest, params: Params, tmp_path: Path, told: list[str]
) -> None:
    watcher = Watch(Workspace(tmp_path / "w"), params)
    watcher.look_when_quiet()
    watcher.look_when_quiet()
    assert told == [digest.read()]

    def write() -> None:
        for number in range(5):
            (tmp_path / "docs" / "a.md").write_text(f"# A\n\n{number}\n")
            time.sleep(0.1)

    writer = threading.Thread(target=write)
    (tmp_path / "docs" / "a.md").write_text("# A\n\nEdited.\n")
    writer.start()
    watcher.look_when_quiet()
    writer.join()
    assert told[1:] == [digest.read()], "one look suffices, and what it tells is the last of the burst"


def test_polling_tells_of_edits_that_never_pause_after_the_longest_burst(
    digest: KnowledgeDigest, params: Params, tmp_path: Path, told: list[str]
) -> None:
    schedules = params.schedules.model_copy(update={"quiet_s": 0.2, "longest_burst_s": 1.0})
    watcher = Watch(Workspace(tmp_path / "w"), params.model_copy(update={"schedules": schedules}))
    stop = threading.Event()

    def write() -> None:
        number = 0
        while not stop.wait(0.02):
            number += 1
            (tmp_path / "docs" / "b.md").write_text(f"# B\n\n{number}\n")

    writer = threading.Thread(target=write)
    (tmp_path / "docs" / "b.md").write_text("# B\n")
    writer.start()
    try:
        began = time.monotonic()
        watcher.look_when_quiet()
        assert len(told) == 1 and time.monotonic() - began >= 1.0
    finally:
        stop.set()
        writer.join()


def test_a_burst_is_one_item_and_a_new_questions_file_another(
    digest: KnowledgeDigest, params: Params, tmp_path: Path
) -> None:
    seen: queue.Queue[float] = queue.Queue()

    def collect() -> None:
        for _ in bursts(digest, params.schedules):
            seen.put(time.monotonic())

    threading.Thread(target=collect, daemon=True).start()
    seen.get(timeout=60)  # the one at the start
    for number in range(8):
        (tmp_path / "docs" / f"{number}.md").write_text(f"# {number}\n")
        time.sleep(0.1)
    seen.get(timeout=60)
    with pytest.raises(queue.Empty):
        seen.get(timeout=3)
    replaced = tmp_path / "questions.jsonl.new"
    replaced.write_text('{"id": 1}\n')
    replaced.rename(tmp_path / "questions.jsonl")
    seen.get(timeout=60)
    (tmp_path / "docs").rename(tmp_path / "old")
    (tmp_path / "docs").mkdir()
    seen.get(timeout=60)
    while not seen.empty():
        seen.get()
    time.sleep(3)
    while not seen.empty():
        seen.get()
    (tmp_path / "docs" / "new.md").write_text("# New\n")
    seen.get(timeout=60)
