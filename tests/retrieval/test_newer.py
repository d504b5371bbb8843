"""Of passages that tell the same at different times, the newer one goes first."""

import pytest

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import Hit
from lorag.retrieval.newer import prefer_newer

FEES = "The harbour fee for a yacht is {} euros a night, with water and electricity at the berth."


def hits(*pages: tuple[str, str, str, str]) -> list[Hit]:
    """Hits of (document id, context, text, date), best first."""
    return [
        Hit(Chunk(f"{name}#{at}", name, context, text, {"date": date} if date else {}), 1.0 - at / 10)
        for at, (name, context, text, date) in enumerate(pages)
    ]


def names(found: list[Hit]) -> list[str]:
    return [hit.chunk.document_id for hit in found]


OLD = ("old.md", "Fees", FEES.format(20), "2023-05-01")
NEW = ("new.md", "Fees", FEES.format(30), "2024-05-01")
NEWEST = ("newest.md", "Fees", FEES.format(35), "2025-05-01")
OTHER = ("berths.md", "Berths", "Berth 4 is eight metres deep.", "2019-01-01")
QUESTION = "What is the fee for a yacht?"


def test_the_newest_takes_the_place_and_the_score_of_the_best_and_the_older_are_left_out() -> None:
    found = prefer_newer(QUESTION, hits(OLD, OTHER, NEW, NEWEST))
    assert names(found) == ["newest.md", "berths.md"]
    assert [hit.score for hit in found] == [1.0, 0.9]


@pytest.mark.parametrize(
    ("question", "order"),
    [
        ("What was the fee for a yacht in 2023?", ["old.md", "newest.md", "berths.md", "new.md"]),
        ("What was the fee for a yacht in 2024?", ["new.md", "newest.md", "berths.md", "old.md"]),
        # No page is that old, and no page is the right one.
        ("What was the fee for a yacht in 2021?", ["newest.md", "berths.md", "old.md", "new.md"]),
        ("What was the fee for a yacht previously?", ["newest.md", "berths.md", "old.md", "new.md"]),
        ("How did the fee change from 2023 to 2025?", ["newest.md", "berths.md", "old.md", "new.md"]),
    ],
)
def test_a_question_that_names_a_time_is_not_overruled(question: str, order: list[str]) -> None:
    assert names(prefer_newer(question, hits(NEWEST, OTHER, OLD, NEW))) == order


def test_the_pages_of_the_version_that_is_named_come_first() -> None:
    found = hits(
        ("docs/2.14/x.md", "X", "The default is 30.", ""),
        ("docs/2.13/x.md", "X", "The default is 20.", ""),
        ("docs/2.12/x.md", "X", "The default is 10.", ""),
    )
    assert names(prefer_newer("What is the default?", found)) == ["docs/2.14/x.md"]
    assert names(prefer_newer("What is the default in 2.13?", found))[0] == "docs/2.13/x.md"
    # A page that did not change has the name of the version in which it was new.
    assert names(prefer_newer("What is the default in 2.13.4?", found))[0] == "docs/2.13/x.md"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(OTHER, NEW, id="another title"),
        pytest.param(
            OLD, (*NEW[:2], "Yachts longer than 20 metres need a permit of the fee office.", NEW[3]), id="text"
        ),
        pytest.param(OLD, (*NEW[:3], ""), id="a page without a date"),
        pytest.param(OLD, (*NEW[:3], OLD[3]), id="equal dates"),
        pytest.param((*OLD[:2], FEES.format("20 for a ketch, 25"), OLD[3]), NEW, id="a word of the question"),
    ],
)
def test_a_page_about_something_else_stays_however_old(
    old: tuple[str, str, str, str], new: tuple[str, str, str, str]
) -> None:
    found = hits(old, new)
    assert prefer_newer("What is the fee for a yacht or a ketch?", found) == found


def test_without_dates_nothing_changes() -> None:
    found = hits(*[(f"{at}.md", "Fees", FEES.format(20), "") for at in range(5)])
    assert prefer_newer(QUESTION, found) == found
    assert prefer_newer(QUESTION, []) == []


def test_what_a_page_says_of_itself_needs_no_likeness() -> None:
    old = Hit(Chunk("1", "rules.md", "Rules", "Dogs are to be kept on a leash.", {}), 0.9)
    new = Hit(Chunk("2", "house.md", "House rules", "Dogs are not allowed.", {"supersedes": "rules.md"}), 0.5)
    assert names(prefer_newer("Are dogs allowed?", [old, new])) == ["house.md"]


def test_pages_that_contradict_each_other_are_all_kept() -> None:
    text = FEES.format(20)
    found = [
        Hit(Chunk(name, name, "Fees", text, {"supersedes": other}), 1.0)
        for name, other in (("a.md", "b.md"), ("b.md", "c.md"), ("c.md", "a.md"))
    ]
    assert sorted(names(prefer_newer(QUESTION, found))) == ["a.md", "b.md", "c.md"]
