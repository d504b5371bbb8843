"""The ruled tables of a PDF by pdfplumber, which is an extra: without it a table is text, row by row."""

import io
import logging
import re
from collections.abc import Sequence
from typing import Any

from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.formats.pdf_text import PageTable
from lorag.knowledge.formats.raised import lowered, raised
from lorag.knowledge.formats.tables import Cell, table_text

LIBRARY = "pdfplumber"
"""The distribution that finds tables."""

_MAX_PAGES = 200
"""The number of pages with lines in which tables are looked for: it takes a hundred times as long as their text."""

_LINE = re.compile(rb"\s(?:re|l)\s")
_FEWEST_LINES = 4
_SAME_WORD = 0.05
_SMALLER = 0.92
_LEAST_OWN_CELLS = 0.6
"""In a table at least this share of the places has a cell of its own; the others are spanned."""


class TableFinder:
    """A finder of tables in the pages of one file."""

    def __init__(self, document: Any | None) -> None:
        self._document = document
        self._searched = 0

    def of_page(self, number: int, page: Any) -> list[PageTable]:
        """Return the tables of the page `number` from 0, of which `page` is pypdf's view."""
        if self._document is None or self._searched >= _MAX_PAGES or not _is_simple(page):
            return []
        self._searched += 1
        try:
            plumbed = self._document.pages[number]
            found = [_read_table(plumbed, table) for table in plumbed.find_tables()]
            plumbed.close()
        except MemoryError:
            raise
        except Exception:
            return []  # The text of the page is read all the same.
        return [table for table in found if table is not None]


def open_tables(data: bytes) -> TableFinder:
    """Return a finder of the tables in a PDF; one that finds none if pdfplumber is missing or cannot read the file."""
    try:
        import pdfplumber
    except ImportError:
        return TableFinder(None)
    logging.getLogger("pdfminer").setLevel(logging.CRITICAL)
    try:
        return TableFinder(pdfplumber.open(io.BytesIO(data)))
    except MemoryError:
        raise
    except Exception:
        return TableFinder(None)  # pypdf says what is wrong with it


def _is_simple(page: Any) -> bool:
    """Whether a page has lines, and is measured from its lower left corner as pypdf measures it."""
    left, bottom = page.mediabox.lower_left
    if page.rotation or left or bottom or page.cropbox != page.mediabox:
        return False
    content = page.get_contents()
    return content is not None and len(_LINE.findall(content.get_data())) >= _FEWEST_LINES


def _read_table(page: Any, table: Any) -> PageTable | None:
    """Return a table of at least two rows and columns with text."""
    places = [row.cells for row in table.rows]
    if len(places) < 2 or max(len(row) for row in places) < 2:
        return None
    rows = [
        [Cell(_text_at(page, places, row, column)) for column in range(len(places[row]))] for row in range(len(places))
    ]
    text = table_text(rows)
    if not text.strip(" |\n") or _share_of_own_cells(places) < _LEAST_OWN_CELLS:
        return None  # lines of a drawing
    left, top, right, bottom = table.bbox
    return PageTable((left, page.height - bottom, right, page.height - top), Block(BlockKind.TABLE, text))


def _share_of_own_cells(places: Sequence[Sequence[Any]]) -> float:
    cells = [cell is not None for row in places for cell in row]
    return sum(cells) / len(cells)


def _text_at(page: Any, places: Sequence[Sequence[Any]], row: int, column: int) -> str:
    """Return the text of a cell, or of the cell that spans this place."""
    box = places[row][column]
    if box is None:
        box = _spanning(places, row, column)
    return "" if box is None else _cell_text(page.crop(box, strict=False))


def _spanning(places: Sequence[Sequence[Any]], row: int, column: int) -> Any | None:
    """Return the box of the cell to the left or above that covers a place without a cell of its own."""
    across = next((cells[column] for cells in places if column < len(cells) and cells[column] is not None), None)
    along = next((cell for cell in places[row] if cell is not None), None)
    if across is None or along is None:
        return None
    x, y = (across[0] + across[2]) / 2, (along[1] + min(along[3], along[1] + 4)) / 2
    boxes = (cell for cells in places for cell in cells if cell is not None)
    return next((box for box in boxes if box[0] <= x <= box[2] and box[1] <= y <= box[3]), None)


def _cell_text(cell: Any) -> str:
    text = ""
    line: dict[str, Any] | None = None  # the last word that stands on the line itself
    end = 0.0
    for word in cell.extract_words(extra_attrs=["size"]):
        is_attached = line is not None and abs(word["x0"] - end) < _SAME_WORD * line["size"]
        end = word["x1"]
        if is_attached and line is not None and word["size"] < line["size"] * _SMALLER:
            is_above = word["top"] + word["bottom"] < line["top"] + line["bottom"]
            text += raised(word["text"], text) if is_above else lowered(word["text"], text)
            continue
        text += word["text"] if is_attached or not text else f" {word['text']}"
        line = word
    return text
