"""What of a document is found in other texts."""

import html
import json

import pytest

from lorag.knowledge.remains import Remains, remains_of

TEXT = "The keeper wrote quetzal7f3a9c into the log of the harbour on a Tuesday. “Çağrı” saw it at 6:30, too."
FOUND = remains_of(["log/a.md"], [TEXT])


@pytest.mark.parametrize(
    "text",
    [
        "cited: the log of the harbour on, it says",
        json.dumps({"quote": "THE LOG\nof the harbour"}),
        html.escape("“Çağrı” saw it at 6:30"),
        json.dumps("“Çağrı” saw it at 6:30"),
        "key=QUETZAL7F3A9C;",
        "see log/a.md.",
        '["log/a.md"]',
    ],
)
def test_phrases_marks_and_names_are_found_however_they_are_written(text: str) -> None:
    assert FOUND.are_in(text)


@pytest.mark.parametrize(
    "text", ["", "the log of the", "quetzal 7f3a9c", "log/a.md.txt", "blog/a.md", "old/log/a.md", "log/a.mdx", "a.md"]
)
def test_less_is_not_found(text: str) -> None:
    assert not FOUND.are_in(text)


def test_what_other_documents_say_too_is_not_looked_for() -> None:
    left = FOUND.without(["Once more: the log of the harbour on a Tuesday. quetzal7f3a9c"])
    assert not left.are_in("the log of the harbour on a Tuesday") and not left.are_in("quetzal7f3a9c")
    assert left.are_in("The keeper wrote quetzal7f3a9c into")


def test_it_is_read_again_as_it_was_written() -> None:
    found = remains_of(["a.md"], [TEXT], ["embedded"])
    assert Remains.from_json(json.loads(json.dumps(found.to_json()))) == found and len(found.text_digests) == 1
