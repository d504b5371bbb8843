"""Point 12 to 14 of what strangers met, for PDF: made by hand, one content stream a page."""

from types import SimpleNamespace

import pytest

from lorag.knowledge.documents import BlockKind, Flag, Reason
from lorag.knowledge.formats import ParsedDocument, Quarantine, parse_document, parser_versions

LIMITS = SimpleNamespace(max_depth=200, max_characters=5_000_000)
PICTURE = b"/XObject << /I << /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray >> >>"


def pdf(*pages: bytes, resources: bytes = b"") -> bytes:
    """A PDF with a page for each content stream."""
    count = len(pages)
    kids = b" ".join(b"%d 0 R" % (4 + 2 * number) for number in range(count))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [%s] /Count %d >>" % (kids, count),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, content in enumerate(pages):
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents %d 0 R"
            b" /Resources << /Font << /F1 3 0 R >> %s >> >>" % (5 + 2 * number, resources)
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    body, offsets = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return (
        body + table + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(body))
    )


def text(*placed: tuple[float, float, float, str]) -> bytes:
    """A content stream with text at x, y in the given size."""
    return b"\n".join(
        b"BT /F1 %g Tf 1 0 0 1 %g %g Tm (%s) Tj ET" % (size, x, y, words.encode("latin-1"))
        for x, y, size, words in placed
    )


def lines(*words: str) -> bytes:
    return text(*((20, 200 - 14 * number, 12, line) for number, line in enumerate(words)))


def parse(data: bytes) -> ParsedDocument:
    return parse_document("a.pdf", data, LIMITS)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(
            text((20, 200, 12, "holds 10"), (70, 205, 8, "6"), (76, 200, 12, " litres")),
            "holds 10⁶ litres",
            id="strangers-12: sup",
        ),
        pytest.param(text((20, 200, 12, "H"), (29, 197, 8, "2"), (34, 200, 12, "O")), "H₂O", id="strangers-12: sub"),
        pytest.param(
            text((20, 200, 12, "10"), (33, 205, 8, "-"), (36, 205, 8, "3"), (42, 200, 12, " m")),
            "10⁻³ m",
            id="strangers-12: sup in two pieces",
        ),
        pytest.param(lines("for inter-", "national trade"), "for international trade", id="strangers-14: cut word"),
        pytest.param(
            lines("a well-known pier, as well-", "known as this"),
            "a well-known pier, as well-known as this",
            id="strangers-14: a hyphen of its own",
        ),
        pytest.param(lines("from 10-", "12 metres"), "from 10-\n12 metres", id="strangers-14: a range"),
        pytest.param(lines("Hapag-", "Lloyd"), "Hapag-\nLloyd", id="strangers-14: a name"),
    ],
)
def test_the_text_of_a_page_is_read_as_a_person_reads_it(content: bytes, expected: str) -> None:
    assert "\n".join(block.text for block in parse(pdf(content)).blocks) == expected


def test_a_scanned_file_is_quarantined_with_that_reason() -> None:
    with pytest.raises(Quarantine, match="1 page scanned, .* run OCR") as caught:
        parse(pdf(b"/I Do", resources=PICTURE))
    assert caught.value.reason is Reason.NO_TEXT


def test_scanned_pages_among_others_are_counted() -> None:
    document = parse(pdf(lines("A cover"), b"/I Do", b"/I Do", resources=PICTURE))
    assert (document.blocks[0].text, document.flags) == ("A cover", {Flag.SCANNED_PAGE: 2})


def ruled(columns: list[float], rows: list[float]) -> bytes:
    across = b"\n".join(b"%g %g m %g %g l S" % (columns[0], y, columns[-1], y) for y in rows)
    return across + b"\n" + b"\n".join(b"%g %g m %g %g l S" % (x, rows[0], x, rows[-1]) for x in columns)


def test_a_ruled_table_has_its_cells_and_the_text_around_it_its_order() -> None:
    pytest.importorskip("pdfplumber", reason="the extra `pdf` is not installed")
    cells = text(
        (20, 250, 12, "Before"),
        (25, 205, 10, "Berth"),
        (125, 205, 10, "Depth"),
        (25, 185, 10, "4"),
        (125, 185, 10, "10"),
        (136.2, 189, 6, "6"),
        (20, 100, 12, "After"),
    )
    document = parse(pdf(ruled([20, 120, 220], [180, 200, 220]) + b"\n" + cells))
    assert [(block.kind, block.text) for block in document.blocks] == [
        (BlockKind.PARAGRAPH, "Before"),
        (BlockKind.TABLE, "Berth | Depth\n4 | 10⁶"),
        (BlockKind.PARAGRAPH, "After"),
    ]
    assert "pdfplumber" in parser_versions()
