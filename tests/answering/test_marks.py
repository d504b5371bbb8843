"""The numbers of citations in a text."""

from lorag.answering.marks import mark_citations


def test_marks_stand_behind_their_quotes() -> None:
    cited = [{"quote": "A is 1."}, {"quote": "B is 2."}, {"quote": "elsewhere"}]
    marked = mark_citations("B is 2. A is 1.", cited)
    assert marked.text == "B is 2. [2] A is 1. [1] [3]"
    assert [marked.text[start:end] for start, end in marked.places] == ["[1]", "[2]", "[3]"]
    assert mark_citations("None.", []).text == "None."
