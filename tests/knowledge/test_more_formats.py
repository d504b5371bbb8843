"""Tables, notebooks, e-mails, slides, sheets and AsciiDoc: each file is made by the library that others use for it."""

import datetime
import io
import json
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any

import openpyxl
import pptx
import pytest
from pptx.util import Inches

from lorag.integrations.parsing.pool import ParserProcess
from lorag.knowledge.documents import Flag, Reason
from lorag.knowledge.formats import FORMATS, ParsedDocument, Quarantine, parse_document
from lorag.params import ParserParams

LIMITS = SimpleNamespace(max_depth=200, max_characters=5_000_000)


def parse(name: str, data: str | bytes) -> ParsedDocument:
    return parse_document(name, data.encode() if isinstance(data, str) else data, LIMITS)


def lines(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(f"{block.kind}{block.level or ''}", block.text) for block in document.blocks]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", 'Berth,Depth,Note\n4,7.2 m,"deep, quiet"\n5,,"two\nlines"\n'),
        ("a.csv", 'Berth;Depth;Note\r\n4;7.2 m;deep, quiet\r\n5;;"two\r\nlines"\r\n'),
        ("a.tsv", "Berth\tDepth\tNote\n4\t7.2 m\tdeep, quiet\n5\t\ttwo lines\n"),
    ],
)
def test_a_table_in_a_text_file_is_one_block_whose_first_row_heads_its_chunks(name: str, text: str) -> None:
    rows = "Berth | Depth | Note\n4 | 7.2 m | deep, quiet\n5 |  | two lines"
    assert lines(parse(name, text)) == [("table", rows)]


def test_a_file_with_one_column_is_a_table_too() -> None:
    assert lines(parse("a.csv", "Name\nAda, she said\n")) == [("table", "Name\nAda | she said")]


def test_a_notebook_gives_its_text_code_and_outputs() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Depths\n", "\n", "10<sup>6</sup> litres"]},
        {
            "cell_type": "code",
            "source": "print(7)",
            "outputs": [
                {"output_type": "stream", "text": ["7\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "x", "text/html": "<table><tr><td>7<td>2"}},
                {"output_type": "display_data", "data": {"image/png": "AAAA"}},
            ],
        },
        {"cell_type": "raw", "source": "raw"},
    ]
    document = parse("a.ipynb", json.dumps({"nbformat": 4, "cells": cells}))
    assert document.title == "Depths"
    assert lines(document) == [
        ("heading1", "Depths"),
        ("paragraph", "10⁶ litres"),
        ("code", "print(7)"),
        ("code", "7"),
        ("table", "7 | 2"),
        ("paragraph", "raw"),
    ]


def test_an_e_mail_is_what_its_reader_sees() -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Tide täble", "Ada <a@example.org>", "b@example.org"
    message.set_content("plain")
    message.add_alternative("<p>Berth 4 is 7<sup>2</sup> m.</p><p style='display:none'>x</p>", subtype="html")
    message.add_attachment(b"x", maintype="application", subtype="pdf", filename="tide.pdf")
    document = parse("a.eml", message.as_bytes())
    assert (document.title, document.metadata["from"]) == ("Tide täble", "Ada <a@example.org>")
    assert lines(document) == [("paragraph", "Berth 4 is 7² m."), ("paragraph", "Attachments: tide.pdf")]
    assert document.flags == {Flag.HIDDEN_TEXT: 1}


def test_a_plain_e_mail_in_another_charset() -> None:
    data = b"From: a@b\nSubject: =?utf-8?q?T=C3=A4?=\nContent-Type: text/plain; charset=iso-8859-1\n\nK\xe4se\n"
    document = parse("a.eml", data)
    assert (document.title, lines(document)) == ("Tä", [("paragraph", "Käse")])


def slides() -> bytes:
    deck = pptx.Presentation()
    first = deck.slides.add_slide(deck.slide_layouts[1])
    first.shapes.title.text = "Berths"
    frame = first.placeholders[1].text_frame
    frame.text = "Quay"
    inner = frame.add_paragraph()
    inner.text, inner.level = "Berth 4", 1
    run = frame.add_paragraph().add_run()
    run.text = "10"
    power = frame.paragraphs[2].add_run()
    power.text = "6"
    power.font._element.set("baseline", "30000")
    first.notes_slide.notes_text_frame.text = "Say this."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    second._element.set("show", "0")
    table = second.shapes.add_table(2, 3, Inches(1), Inches(3), Inches(4), Inches(1)).table
    for column, text in enumerate(["Quay", "Depth", ""]):
        table.cell(0, column).text = text
        table.cell(1, column).text = str(column)
    table.cell(0, 1).merge(table.cell(0, 2))
    box = second.shapes.add_textbox(Inches(1), Inches(1), Inches(2), Inches(1))
    box.text_frame.text = "above"
    stream = io.BytesIO()
    deck.save(stream)
    return stream.getvalue()


def test_slides_give_titles_lists_tables_and_notes_in_reading_order() -> None:
    document = parse("a.pptx", slides())
    assert lines(document) == [
        ("heading2", "Berths"),
        ("list", "- Quay\n  - Berth 4\n- 10⁶"),
        ("paragraph", "Notes: Say this."),
        ("heading2", "Slide 2"),
        ("paragraph", "above"),
        ("table", "Quay | Depth | Depth\n0 | 1 | 2"),
    ]
    assert document.flags == {Flag.MAYBE_HIDDEN: 1}


def sheets() -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Berths"
    for row in [
        ["Depths in 2024"],
        [],
        [None, "Quay", "Depth", None, "Since"],
        [None, "North", 7.25, 0.5, datetime.date(2024, 1, 2)],
        [None, None, 1234567, 7, datetime.datetime(2024, 1, 2, 6, 50)],
        [None, "hidden", 1, 1, None],
    ]:
        sheet.append(row)
    sheet.merge_cells("B4:B5")
    sheet.merge_cells("C3:D3")
    sheet["C4"].number_format, sheet["D4"].number_format = "0.00", "0%"
    sheet["C5"].number_format, sheet["D5"].number_format = "#,##0", "00000"
    sheet.row_dimensions[6].hidden = True
    other = book.create_sheet("Secret")
    other["A1"], other.sheet_state = "x", "hidden"
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_a_sheet_gives_its_tables_as_they_are_shown() -> None:
    document = parse("a.xlsx", sheets())
    assert lines(document) == [
        ("heading2", "Berths"),
        ("paragraph", "Depths in 2024"),
        (
            "table",
            "Quay | Depth | Depth | Since\nNorth | 7.25 | 50% | 2024-01-02\n"
            "North | 1,234,567 | 00007 | 2024-01-02 06:50:00",
        ),
    ]
    assert document.flags == {Flag.HIDDEN_TEXT: 4}


def test_asciidoc() -> None:
    text = """= The harbour
:version: 1.10
:unit: metres

Berth 4 is *7.2* {unit} deep, 10^6^ litres of H~2~O. See <<quay,the quay>>,
https://example.org[a page] and `code`.footnote:[At low water.]

// a comment
== Lists [[x]]

* one
** inner
. first
. second

Term:: its text

NOTE: Mind the step.

.A listing
[source,python]
----
def f():

    return 1
----

[cols="1,1",options="header"]
|===
|Quay |Depth

.2+|North |7.2 m
|2 m

2+|Both
|===

////
left out
////

====
An example.
====

include::other.adoc[]
"""
    document = parse("a.adoc", text)
    assert (document.title, document.metadata) == ("The harbour", {"version": "1.10", "unit": "metres"})
    assert lines(document) == [
        ("heading1", "The harbour"),
        (
            "paragraph",
            "Berth 4 is 7.2 metres deep, 10⁶ litres of H₂O. See the quay, a page and code. (At low water.)",
        ),
        ("heading2", "Lists"),
        ("list", "- one\n  - inner\n1. first\n2. second\n- Term: its text"),
        ("paragraph", "NOTE: Mind the step."),
        ("paragraph", "A listing"),
        ("code", "def f():\n\n    return 1"),
        ("table", "Quay | Depth\nNorth | 7.2 m\nNorth | 2 m\nBoth"),
        ("paragraph", "An example."),
    ]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pptx", b"text", Reason.TYPE_MISMATCH),
        ("a.pptx", sheets(), Reason.TYPE_MISMATCH),
        ("a.xlsx", slides(), Reason.TYPE_MISMATCH),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), Reason.ENCRYPTED),
        ("a.xlsx", sheets()[:2_000], Reason.PARSER_FAILED),
        ("a.ipynb", b"# no JSON", Reason.TYPE_MISMATCH),
        ("a.ipynb", b"[1, 2]", Reason.TYPE_MISMATCH),
        ("a.ipynb", b"[" * 100_000, Reason.TOO_DEEP),
        ("a.eml", b"only text", Reason.TYPE_MISMATCH),
        ("a.eml", b"From: a@b\n\n", Reason.EMPTY_AFTER_PARSE),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(64), Reason.TYPE_MISMATCH),
        ("a.csv", b",,,\n,,\n", Reason.EMPTY_AFTER_PARSE),
        ("a.adoc", b"====\n" * 200_000, Reason.EMPTY_AFTER_PARSE),
    ],
)
def test_a_bad_file_has_one_reason(name: str, data: bytes, reason: Reason) -> None:
    with pytest.raises(Quarantine) as caught:
        parse(name, data)
    assert caught.value.reason is reason


def test_all_of_them_are_read_in_the_sandbox() -> None:
    files = {
        ".pptx": slides(),
        ".xlsx": sheets(),
        ".csv": b"a,b\n1,2\n",
        ".ipynb": b'{"cells": [{"cell_type": "markdown", "source": "text"}]}',
        ".eml": b"Subject: x\n\ntext\n",
        ".adoc": b"text\n",
    }
    parser = ParserParams(memory_mb=512, timeout_s=20, max_depth=200, max_characters=5_000_000)
    process = ParserProcess(parser, sorted(FORMATS))
    try:
        results = {kind: process.parse(kind, data) for kind, data in files.items()}
    finally:
        process.close()
    assert {kind: type(result).__name__ for kind, result in results.items()} == dict.fromkeys(files, "ParsedDocument")
