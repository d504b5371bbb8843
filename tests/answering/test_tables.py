"""A row of a table is read, quoted and judged together with the names of its cells."""

import pytest

from lorag.answering.citations import find_support
from lorag.answering.passages import whole_passage
from lorag.answering.sentence_choice import choose_quote, rank_sentences
from lorag.answering.tables import header_of, label_cells, stated_by
from lorag.knowledge.documents import Chunk
from tests.alike import embed_alike

HEADER, ROW = "Berth | Depth | Use", "4 | 3.1 m | fishing boats"
TABLE = f"{HEADER}\n3 | 3.9 m | visitors\n{ROW}\n5 | 2.8 m | pontoon"
TEXT = f"The harbour has seven berths.\n\n{TABLE}\n\nThe basin | is old."
CHUNK = Chunk("c1", "berths.md", "Berths", TEXT)


@pytest.mark.parametrize(
    ("line", "header"),
    [
        (ROW, HEADER),
        ("3 | 3.9 m | visitors", HEADER),
        (HEADER, None),
        ("The harbour has seven berths.", None),
        ("The basin | is old.", None),
    ],
)
def test_the_first_row_of_the_table_is_found(line: str, header: str | None) -> None:
    found = header_of(TEXT, TEXT.index(line))
    assert (TEXT[slice(*found)] if found else None) == header


def test_a_row_of_other_cells_begins_a_table() -> None:
    text = "a | b\n1 | 2\nc | d | e\n3 | 4 | 5"
    found = header_of(text, text.index("3 |"))
    assert found and text[slice(*found)] == "c | d | e"


def test_cells_stand_behind_their_names() -> None:
    assert label_cells(HEADER, ROW) == "Berth 4; Depth 3.1 m; Use fishing boats"
    start = TEXT.index(ROW)
    assert stated_by(TEXT, start, start + len(ROW)) == "Berth 4; Depth 3.1 m; Use fishing boats"
    assert stated_by(TEXT, 0, 29) == "The harbour has seven berths."


def test_a_row_is_found_by_the_names_of_its_cells_and_quoted_below_them() -> None:
    ranked = rank_sentences("What is the depth of berth 4?", [CHUNK], embed_alike)
    assert [each.text for each in choose_quote("What is the depth of berth 4?", ranked)][:2] == [HEADER, ROW]
    assert TEXT[ranked[0].start : ranked[0].end] == ROW


@pytest.mark.parametrize(("answer", "cited"), [("The depth of berth 4 is 3.1 m.", [ROW]), ("It is 3.9 m.", [])])
def test_the_names_of_the_cells_support_an_answer(answer: str, cited: list[str]) -> None:
    table = Chunk("c2", "berths.md", "Harbour", f"{HEADER}\n{ROW}")
    support = find_support(answer, "How much water has it?", [whole_passage(table)], {"berths.md": "v1"}, 1.0)
    assert [citation.quote for citation in support.citations] == cited
