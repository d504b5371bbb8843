"""Two pages that give different values for what was asked are told apart from two that say the same."""

import pytest

from lorag.answering.disagreement import QuotedFrom, find_disagreement

QUESTION = "How deep is berth 4?"


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Berth 4 is 7.25 metres deep.", "Berth 4 is 9.1 m deep.", (0, 1)),
        ("Berth 4 is 7.25 metres deep.", "Berth 4 is 725 cm deep.", None),
        ("Berth 4 is 7.25 metres deep.", "Berth 4 is deep, and its crane lifts 40 tonnes.", None),
        ("Berth 4 is 7.25 metres deep.", "Berth 4 is deep enough.", None),
        ("Berth 4 is 7.25 metres deep.", "The mast is 9 metres high.", None),
        ("Berth 4 is 7.25 metres deep.", "Berth 4 is 7.25 metres deep, or 6 m at low tide.", None),
    ],
    ids=["another depth", "the same in another unit", "another kind", "no value", "another thing", "one more value"],
)
def test_values_of_one_kind_are_compared(one: str, other: str, expected: tuple[int, int] | None) -> None:
    quotes = [QuotedFrom("a.md", "Berths", one), QuotedFrom("b.md", "Harbour", other)]
    assert find_disagreement(QUESTION, quotes) == expected


def test_one_page_does_not_contradict_itself_and_headings_count() -> None:
    one, other = "It is 7.25 metres.", "It is 9.1 metres."
    same = [QuotedFrom("a.md", "Berth 4 > How deep", one), QuotedFrom("a.md", "Berth 4 > How deep", other)]
    assert find_disagreement(QUESTION, same) is None
    assert find_disagreement(QUESTION, [same[0], QuotedFrom("b.md", "Berth 4 > How deep", other)]) == (0, 1)
    assert find_disagreement(QUESTION, [same[0], QuotedFrom("b.md", "Cranes", other)]) is None
