"""Loaders: whatever a file holds is a document or has one reason, and the next file is read all the same."""

import json
from collections.abc import Iterator

import pytest

from lorag.integrations.parsing.pool import ParserProcess
from lorag.knowledge.documents import Reason
from lorag.knowledge.formats import FORMATS, RECORDS, ParsedDocument, ParsedRecords, ParseResult, Quarantine
from tests.fuzz import CASES, fuzz, mutated
from tests.knowledge.test_bad_documents import PARSER, encrypted_pdf, pdf, word
from tests.knowledge.test_more_formats import sheets, slides
from tests.varied_pages import varied_page

MARKDOWN = """---
title: Berths
tags: [deep, quiet]
---
# Berths {#berths}

Berth 4 is *7.2* metres deep, see [the map](map.md) and `depth()`.

> A quote with <b>HTML</b> and an ![image](x.png).

1. First
   - inner

| Berth | Depth |
| --- | --- |
| 4 | 7.2 m |

```python
print(7)
```

{{< note >}} shown {{< /note >}} <!-- hidden -->
"""
RST = """Berths
======

:ref:`berths` is |deep|. See `the map`_ and :unknown:`role`.

.. |deep| replace:: 7.2 m
.. _the map: map.html
.. note:: Shown

   - item

.. list-table::
   :header-rows: 1

   * - Berth
     - Depth
   * - 4
     - 7.2 m
"""
ASCIIDOC = (
    "= Berths\n:deep: 7.2\n\n== Quay\n\n* one\n** two\n\n|===\n|Berth |Depth\n|4 |{deep} m\n|===\n\n----\nx\n----\n"
)
MDX = "import A from './a'\n\nexport const x = {a: 1}\n\n# Berths\n\n<Tabs items={['a']}>{x}</Tabs>\n\n{/* hidden */}\n"
MAIL = (
    b"From: a@example.org\nSubject: =?utf-8?q?T=C3=A4?=\nMIME-Version: 1.0\n"
    b"Content-Type: multipart/alternative; boundary=b\n\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\nK\xe4se\n"
    b"--b\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPHA+S8Okc2U8L3A+\n--b--\n"
)
CELLS = [
    {"cell_type": "markdown", "source": ["# Depths\n", "10<sup>6</sup>"]},
    {"cell_type": "code", "source": "print(7)", "outputs": [{"output_type": "stream", "text": ["7\n"]}]},
]
CMAP = b"<< /Length 60 >>\nstream\n1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar\nendstream"
DRAWN = b"BT /F1 12 Tf 20 200 Td (Hello there) Tj [(a) -250 (b)] TJ ET 0 0 10 10 re f"
RECORD = {"id": "d", "title": "T", "text": "one", "url": "u", "tags": ["a"], "n": 1}

SAMPLES: dict[str, list[bytes]] = {
    ".md": [MARKDOWN.encode(), b"+++\ntitle = 'x'\n+++\nText\n"],
    ".mdx": [MDX.encode()],
    ".rst": [RST.encode()],
    ".txt": [b"Berths\n\n\tBerth 4\n", "naïve ☃".encode("utf-16")],
    ".html": [
        varied_page(1).encode(),
        b"<meta charset=koi8-r><p style='display:none'>\xd0</p><svg><text>x</text></svg>",
    ],
    ".pdf": [pdf(DRAWN), pdf(DRAWN, extra=CMAP), encrypted_pdf("")],
    ".docx": [word()],
    ".pptx": [slides()],
    ".xlsx": [sheets()],
    ".csv": [b'Berth,Depth,Note\n4,7.2 m,"deep, quiet"\n5,,"two\nlines"\n'],
    ".tsv": [b"Berth\tDepth\n4\t7.2 m\n"],
    ".ipynb": [json.dumps({"nbformat": 4, "cells": CELLS}).encode()],
    ".eml": [MAIL],
    ".adoc": [ASCIIDOC.encode()],
    RECORDS: [b"\n".join(json.dumps({**RECORD, "id": name}).encode() for name in "de")],
}


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserProcess]:
    # So small a file takes no time, but on a busy machine nothing does for some seconds.
    process = ParserProcess(PARSER.model_copy(update={"timeout_s": 120}), SAMPLES)
    yield process
    process.close()


def test_each_parser_has_samples() -> None:
    assert {FORMATS[kind] for kind in SAMPLES} == set(FORMATS.values())


@CASES
@pytest.mark.parametrize("kind", SAMPLES)
def test_a_changed_file_is_a_document_or_has_one_reason(parser: ParserProcess, kind: str, cases: int) -> None:
    read: list[ParseResult] = []

    def check(data: bytes) -> None:
        result = parser.parse(kind, data)
        read.append(result)
        if isinstance(result, Quarantine):
            # So small a file meets no limit of its process: it would have hung, or brought it down.
            assert result.reason is not Reason.PARSER_LIMIT or result.detail.startswith("a stream"), result.detail
            assert "\n" not in result.detail and len(result.detail) < 400
        elif isinstance(result, ParsedDocument):
            assert all(block.text.strip() and block.text.encode() for block in result.blocks)

    fuzz(cases, mutated(SAMPLES[kind]), check)
    assert any(isinstance(result, ParsedDocument | ParsedRecords) for result in read), "some are still documents"
    assert isinstance(parser.parse(kind, SAMPLES[kind][0]), ParsedDocument | ParsedRecords)
