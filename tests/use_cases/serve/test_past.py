"""Questions about the past, asked of four releases of one workspace with a tiny model that no sentence supports."""

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lorag.answering.past_question import Asks
from lorag.answering.strategies import AnswerKind, Reason
from lorag.releases.durable import write_json_durably
from lorag.releases.forgotten import LEDGER, forget
from lorag.strategies import AdapterKind, Auto, Strategy
from lorag.use_cases.serve import past as past_module
from lorag.use_cases.serve.answer import answer_served
from lorag.use_cases.serve.answer_result import AnswerResult
from tests.use_cases.conftest import PAGES, Place, make_place

AGES_DAYS = (80, 60, 40, 20)
"""The age of each release; berth 4 is dredged in the third one, and the kitchen moves in the second and the fourth."""

BERTH, KITCHEN = "berths.md", "kitchen.md"
DEPTH = "What was the depth of berth 4 of the Quellwick basin at the lowest tide of the year"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = make_place(tmp_path_factory.mktemp("past"))
    for name, text in PAGES.items():
        (made.source / name).write_text(text.replace("is 7.25 metres deep", "has a depth of 7.25 metres"))
    made.refresh()
    change(made, KITCHEN, "06:50", "07:10")
    change(made, BERTH, "7.25", "8.40")
    change(made, KITCHEN, "kippers", "porridge")
    made.publish_adapter(1, AdapterKind.HYBRID)
    for release in made.shelf.releases():
        age = AGES_DAYS[min(release.generation, len(AGES_DAYS)) - 1]
        dated = {
            key: replace(each, since_utc=days_ago(AGES_DAYS[each.generation - 1]).isoformat())
            for key, each in release.documents.items()
            if each.generation
        }
        older = replace(release, created_utc=days_ago(age).isoformat(), documents=dated)
        write_json_durably(made.shelf.folder / "releases" / f"{release.id}.json", older.to_json())
    return made


def change(place: Place, name: str, old: str, new: str) -> None:
    page = place.source / name
    assert old in page.read_text()
    page.write_text(page.read_text().replace(old, new))
    place.refresh()


def days_ago(days: int) -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(days=days)


def ask(
    place: Place, question: str, strategy: Strategy | Auto = Strategy.RAG, as_of: str | None = None
) -> AnswerResult:
    return answer_served(question, strategy, place.workspace, place.params, {}, as_of=as_of)


def day(days: int) -> str:
    return days_ago(days).date().isoformat()


def test_a_point_in_time_is_asked_of_the_release_before_it(place: Place) -> None:
    found = ask(place, f"{DEPTH} before {day(30)}?")
    assert found.past is not None and found.past.generation == 3 and "8.40" in found.answer.text
    found = ask(place, f"{DEPTH} before {day(50)}?")
    assert found.past is not None and (found.past.generation, found.release_served) == (2, False)
    assert "7.25" in found.answer.text and found.release.startswith("000002-")
    assert found.past.says == f"From the past (before {day(50)}): release 2 of {day(60)} answers."
    assert found.to_json()["past"]["generation"] == 2
    assert "7.25" in ask(place, f"{DEPTH} 50 days ago?").answer.text
    assert "7.25" in ask(place, f"{DEPTH} before release 3?").answer.text
    assert "8.40" in ask(place, f"{DEPTH} in release 3?").answer.text


def test_the_adapter_of_today_reads_the_release_of_then(place: Place) -> None:
    found = ask(place, f"{DEPTH} before {day(50)}?", Strategy.HYBRID)
    assert found.adapter_served and found.adapter and found.release.startswith("000002-")
    assert "7.25" in found.answer.text


def test_before_the_last_change_is_the_newest_release_with_another_sentence(place: Place) -> None:
    for phrase in ("before the last change", "previously", "before it was changed"):
        found = ask(place, f"{DEPTH} {phrase}?")
        assert found.past is not None and (found.past.generation, "7.25" in found.answer.text) == (2, True), phrase
    kitchen = ask(place, "When was the galley open before the last change?")
    assert kitchen.past is not None and kitchen.past.generation == 3, "another sentence of the same page"


def test_what_never_changed_is_declined_or_ordinary(place: Place) -> None:
    change_asked = ask(place, f"{DEPTH} before release 1?")
    assert (change_asked.answer.kind, change_asked.answer.reason) == (AnswerKind.DECLINED, Reason.NOT_RETAINED)
    assert f"release 1 of {day(80)}" in change_asked.answer.text and change_asked.past_note is None
    assert (change_asked.answer.abstained, change_asked.answer.prompt_tokens) == (True, 0)
    # Long before there were releases, the documents have to tell; last month's weeks are another matter.
    assert ask(place, f"{DEPTH} before 1 May 1901?").past is None
    early = ask(place, f"{DEPTH} before 3 months ago?")
    assert early.answer.reason is Reason.NOT_RETAINED
    assert ask(place, f"{DEPTH} before 1 May 2999?").past is None


def test_since_when_goes_back_as_long_as_the_words_are_the_same(place: Place) -> None:
    found = ask(place, "Since when has berth 4 of the Quellwick basin a depth of 8.40 metres at the lowest tide?")
    assert found.past is not None and found.release_served and "8.40" in found.answer.text
    assert (found.past.generation, found.past.at_least) == (3, False)
    assert found.past_note == f"These words are there since release 3 of {day(40)}."
    wrong = ask(place, "Since when has berth 4 of the Quellwick basin a depth of 9.99 metres at the lowest tide?")
    assert wrong.past is None, "it never had"
    always = ask(place, "Since when does the galley serve all who signed the list?")
    assert always.past is not None and not always.past.at_least and always.past.generation == 4


def test_ordinary_questions_and_named_releases_cost_and_change_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("an ordinary question was looked into")

    plain = "How deep is berth 4 of the Quellwick basin?"
    monkeypatch.setattr(past_module, "_Looking", fail)
    assert ask(place, plain).past is None
    as_of = ask(place, f"{DEPTH} before {day(50)}?", as_of="1")
    assert as_of.past is None and as_of.release.startswith("000001-"), "--as-of wins"
    assert ask(place, f"{DEPTH} before {day(50)}?", Strategy.BASE).past is None, "it reads nothing"
    text = place.workspace.params_file.read_text()
    assert "past: true" in text
    place.workspace.params_file.write_text(text.replace("past: true", "past: false"))
    try:
        off = ask(place, f"{DEPTH} before {day(50)}?")
        assert off.past is None and off.release_served
    finally:
        place.workspace.params_file.write_text(text)


def test_a_version_is_a_tag_of_the_documents_or_of_the_workspace(place: Place) -> None:
    question = f"{DEPTH} before 2.14?"
    assert ask(place, question).past is None, "there is no such tag"
    tag(place.source, "v2.14", days_ago(50))
    found = ask(place, question)
    assert found.past is not None and (found.past.generation, "7.25" in found.answer.text) == (2, True)


def tag(folder: Path, name: str, when: datetime) -> None:
    dates = {"GIT_AUTHOR_DATE": when.isoformat(), "GIT_COMMITTER_DATE": when.isoformat()}
    for line in ("init -q", "add -A", "commit -q -m docs", f"tag {name}"):
        who = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
        subprocess.run(["git", *who, *line.split()], cwd=folder, env=dates | {"PATH": "/usr/bin:/bin"}, check=True)


def test_what_was_forgotten_does_not_come_from_the_past(place: Place) -> None:
    forget(place.workspace.state, [BERTH], [])
    try:
        found = ask(place, f"{DEPTH} before {day(50)}?")
        assert "7.25" not in found.answer.text and not found.pages
    finally:
        (place.workspace.state / LEDGER).unlink()


def test_a_change_of_another_page_is_no_change(place: Place) -> None:
    found = ask(place, "When did the galley open before the last change?")
    assert found.past is not None and found.past.asked.asks is Asks.CHANGED
    assert found.past.generation in (1, 3)
