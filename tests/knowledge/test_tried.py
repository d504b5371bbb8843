"""Documents of other people's bug reports, from docs/tried.md: each row is named by its source."""

import io
import json
from email.message import EmailMessage
from types import SimpleNamespace

import docx
import pytest

from lorag.knowledge.formats import parse_document
from tests.knowledge.test_strangers import word

LIMITS = SimpleNamespace(max_depth=200, max_characters=5_000_000)


def mail_of_html() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Tiefe von Liegeplatz 4: sieben Meter, gemessen am Größten"
    mail.set_content("<p>Berth 4 is <b>7</b> m.</p>", subtype="html")
    mail.add_attachment("Depth: 7,2 m – é", subtype="plain", cte="quoted-printable", filename="depth.txt")
    return mail.as_bytes()


def mail_in_gb2312() -> bytes:
    head = "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=gb2312\r\n"
    return f"{head}Content-Transfer-Encoding: 8bit\r\n\r\n".encode() + "四号泊位水深七米".encode("gb2312")


def nested_tables() -> bytes:
    document = docx.Document()
    table = document.add_table(1, 2)
    table.cell(0, 0).text = "outer"
    table.cell(0, 1).add_table(1, 1).cell(0, 0).text = "inner"
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def old_notebook() -> str:
    code = {"cell_type": "code", "input": ["print(7)"], "outputs": [{"output_type": "stream", "text": ["7"]}]}
    cells = [{"cell_type": "markdown", "source": "old text"}, code]
    return json.dumps({"worksheets": [{"cells": cells}], "nbformat": 3, "metadata": {}})


CASES = {
    "langchain#26089: paragraphs in a cell": (
        "a.html",
        "<table><tr><th>Berth</th><th>Note</th></tr><tr><td>4</td><td><p>deep</p><p>quiet</p></td></tr></table>",
        "Berth | Note\n4 | deep quiet",
    ),
    "langchain#37966: a code fence without an end": (
        "a.md",
        "# Title\n\n```python\nx = 1\n\n## Section\ncritical content\n",
        "Title\n\nx = 1\n\n## Section\ncritical content",
    ),
    "unstructured#2205: a table in a table": (
        "a.html",
        "<table><tr><td>Outer<table><tr><td>in 1</td><td>in 2</td></tr></table>tail</td><td>right</td></tr></table>",
        "Outer in 1, in 2 tail | right",
    ),
    "unstructured#770: deep in boxes": (
        "a.html",
        "<div>" * 40 + "<h3>Ada</h3><span>Master</span>" + "</div>" * 40,
        "Ada\n\nMaster",
    ),
    "unstructured#1928: head and foot of a table": (
        "a.html",
        "<table><thead><tr><th>A</th></tr></thead><tr><td>1</td></tr><tfoot><tr><td>sum</td></tr></tfoot></table>",
        "A\n1\nsum",
    ),
    "unstructured#2520: bold words in preformatted text": (
        "a.html",
        "<pre><b>P1</b> = Y<br><b>P2</b> = 1<br></pre>",
        "P1 = Y\nP2 = 1",
    ),
    "unstructured#1543: text in no element": (
        "a.html",
        "<body>one<div>two<br/>three</div><p>four<br/>five</p>six</body>",
        "one\n\ntwo\nthree\n\nfour\nfive\n\nsix",
    ),
    "unstructured#3850: inserted and deleted text": (
        "a.html",
        "<p>now <del>5</del> <ins>7</ins></p><ins><p>T24</p></ins>",
        "now ~~5~~ 7\n\nT24",
    ),
    "crewAI#7466: a byte order mark before a quoted heading": (
        "a.csv",
        '\ufeff"last, first",age\n"Doe, Jane",30\n',
        "last, first | age\nDoe, Jane | 30",
    ),
    "dokuly#149: semicolons, and commas in numbers": (
        "a.csv",
        "Berth;Depth\n4;7,25\n5;3,1\n",
        "Berth | Depth\n4 | 7,25\n5 | 3,1",
    ),
    "anydoc#164: a mail of HTML alone": ("a.eml", mail_of_html(), "Berth 4 is 7 m.\n\nAttachments: depth.txt"),
    "Eml-Parser#1: a mail in GB 2312": ("a.eml", mail_in_gb2312(), "四号泊位水深七米"),
    "notebook#5292: sources as text, worksheets": ("a.ipynb", old_notebook(), "old text\n\nprint(7)\n\n7"),
    "unstructured#1952: a table in a cell of Word": ("a.docx", nested_tables(), "outer | inner"),
    "ranuts#126: tracked changes": (
        "a.docx",
        word(
            '<w:r><w:t>Depth </w:t></w:r><w:del w:id="1" w:author="a"><w:r><w:delText>5</w:delText></w:r></w:del>'
            '<w:ins w:id="2" w:author="a"><w:r><w:t>7</w:t></w:r></w:ins>'
        ),
        "Depth 7",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_others_lost_is_read(case: str) -> None:
    name, data, text = CASES[case]
    document = parse_document(name, data.encode() if isinstance(data, str) else data, LIMITS)
    assert "\n\n".join(block.text for block in document.blocks) == text
