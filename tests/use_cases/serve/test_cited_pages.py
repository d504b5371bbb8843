"""A citation tells the age of its page, and whether the page changed since the release that answers."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lorag.strategies import Strategy
from lorag.use_cases.serve.answer import answer_served
from lorag.use_cases.serve.answer_result import AnswerResult
from lorag.use_cases.serve.cited_pages import CitedPage, SourceState
from tests.use_cases.conftest import Place

QUESTION = "How deep is berth 4 of the Quellwick basin at the lowest tide of the year?"


def ask(place: Place, **options: Any) -> AnswerResult:
    return answer_served(QUESTION, Strategy.RAG, place.workspace, place.params, {}, **options)


def page_of(result: AnswerResult) -> CitedPage:
    return next(page for page in result.pages if page.citation.document_id == "berths.md")


def test_a_page_keeps_the_release_that_brought_its_content(served: Place) -> None:
    first = served.shelf.served()
    (served.source / "kitchen.md").write_text("# Kitchen\n\nThe galley opens at 07:15.\n")
    second = served.refresh()
    third = served.publish_adapter(1)
    assert first is not None and first.documents["kitchen.md"].generation == 1
    for release in (second, third):
        ages = {name: entry.generation for name, entry in release.documents.items()}
        assert ages == {"berths.md": 1, "kitchen.md": 2}
    page = page_of(ask(served)).to_json()
    assert (page["generation"], page["date"], page["date_from"]) == (1, first.created_utc[:10], "release")


def test_a_renamed_page_keeps_its_age(served: Place) -> None:
    (served.source / "berths.md").rename(served.source / "depths.md")
    assert served.refresh().documents["depths.md"].generation == 1


def test_the_date_of_the_front_matter_wins(served: Place) -> None:
    page = served.source / "berths.md"
    page.write_text(f"---\nlastmod: 2021-03-04\n---\n{page.read_text()}")
    served.refresh()
    found = page_of(ask(served)).to_json()
    assert (found["date"], found["date_from"], found["generation"]) == ("2021-03-04", "front matter", 2)


def test_a_citation_names_its_heading_and_its_place_in_the_document(served: Place) -> None:
    page = served.source / "berths.md"
    text = page.read_text().replace("# Berths\n", "# Berths\n\nSee below.\n\n## Depths\n")
    page.write_text(text)
    served.refresh()
    found = page_of(ask(served)).to_json()
    assert found["heading"] == "Berths > Depths"
    document = "Berths\n\nSee below.\n\nDepths\n\nBerth 4 of the Quellwick basin is 7.25 metres deep"
    assert found["document_start"] == document.index("Berth 4")
    assert found["document_end"] - found["document_start"] == len(found["quote"])


def test_a_change_since_the_release_is_reported(served: Place) -> None:
    page = served.source / "berths.md"
    assert page_of(ask(served)).source is SourceState.UNCHANGED
    before = page.read_text()

    page.write_text(before + "\n\n")  # Nothing that is indexed.
    assert page_of(ask(served)).source is SourceState.UNCHANGED

    page.write_text(before.replace("7.25", "7.50"))
    changed = ask(served)
    assert page_of(changed).source is SourceState.CHANGED and changed.to_json()["changed_since"]
    assert page_of(changed).document_span is None

    page.unlink()
    removed = ask(served)
    assert page_of(removed).source is SourceState.REMOVED and removed.changed_since

    page.write_text(before)
    assert not ask(served).changed_since


def test_after_the_refresh_only_the_older_release_is_behind(served: Place) -> None:
    page = served.source / "berths.md"
    page.write_text(page.read_text().replace("7.25", "7.50"))
    served.refresh()
    now, before = ask(served), ask(served, as_of="1")
    assert (now.changed_since, now.release_served) == (False, True)
    assert (before.changed_since, before.release_served) == (True, False)


@pytest.mark.parametrize("is_empty", [True, False])
def test_without_a_source_nothing_is_said(served: Place, is_empty: bool) -> None:
    shutil.rmtree(served.source)
    if is_empty:
        served.source.mkdir()
    found = ask(served)
    assert page_of(found).source is None and not found.changed_since


def test_a_record_is_compared_with_its_own_line(served: Place) -> None:
    for path in served.source.iterdir():
        path.unlink()
    records = served.source / "documents.jsonl"
    texts = {
        "berths.md": "Berth 4 of the Quellwick basin is 7.25 metres deep at the lowest tide of the year.",
        "b": "The galley opens.",
    }
    write_records(records, texts)
    served.refresh()
    assert page_of(ask(served)).source is SourceState.UNCHANGED
    write_records(records, {**texts, "b": "The galley shuts."})
    assert page_of(ask(served)).source is SourceState.UNCHANGED
    write_records(records, {"b": texts["b"]})
    assert page_of(ask(served)).source is SourceState.REMOVED


def write_records(path: Path, texts: dict[str, str]) -> None:
    path.write_text("".join(json.dumps({"id": key, "title": key, "text": text}) + "\n" for key, text in texts.items()))


def test_a_question_on_the_past_is_answered_from_the_older_page_which_names_the_newer_one(served: Place) -> None:
    old = served.source / "berths.md"
    text = old.read_text()
    old.write_text(f"---\ndate: 2023-05-01\n---\n{text}")
    (served.source / "berths-2024.md").write_text(f"---\ndate: 2024-05-01\n---\n{text.replace('7.25', '7.50')}")
    served.refresh()

    now = ask(served)
    assert {page.citation.document_id for page in now.pages} == {"berths-2024.md"} and "7.50" in now.answer.text
    assert [page.to_json()["newer"] for page in now.pages] == [None]

    question = QUESTION.replace("?", " 2023?")
    then = answer_served(question, Strategy.RAG, served.workspace, served.params, {})
    assert page_of(then).newer == "berths-2024.md"
