"""Tables in text files: .csv and .tsv, with a comma, semicolon, tab or bar between the values."""

import csv

from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.parsed import Limits, ParsedDocument
from lorag.knowledge.formats.tables import Cell, table_text

_DELIMITERS = ",;\t|"
_SAMPLE_LINES = 50


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a table: one block, its first row repeated in each chunk as the headings."""
    decoded = decode_text(data)
    lines = decoded.text.splitlines(keepends=True)
    csv.field_size_limit(limits.max_characters)
    rows = csv.reader(lines, delimiter=_delimiter(lines[:_SAMPLE_LINES]), skipinitialspace=True)
    text = table_text([[Cell(" ".join(value.split())) for value in row] for row in rows])
    return ParsedDocument("", (Block(BlockKind.TABLE, text),), flags=decoded.flags)


def _delimiter(lines: list[str]) -> str:
    """Return the delimiter that cuts most lines into equally many values, and the most of them."""

    def agreement(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
        common = max(set(widths), key=widths.count, default=0)
        return (widths.count(common) if common > 1 else 0, common)

    return max(_DELIMITERS, key=agreement)
