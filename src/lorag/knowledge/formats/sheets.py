"""Excel files by openpyxl, after the archive was checked: each sheet a heading with its tables. Nothing is computed."""

import io
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Flag
from lorag.knowledge.formats.archive import check_office_file
from lorag.knowledge.formats.parsed import Limits, ParsedDocument
from lorag.knowledge.formats.tables import Cell, table_text

_QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.')
_DECIMALS = re.compile(r"0\.(0+)")


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse an .xlsx: values as they were last saved and as they are shown, a table for each run of filled rows.

    Hidden sheets, rows and columns are left out and counted. Not read: charts, pictures and comments.
    """
    import openpyxl  # First, so that a process that parses many has it before the first.

    check_office_file(data, ".xlsx", "xl/workbook.xml", "an Excel file")
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=True)
    flags: Counter[Flag] = Counter()
    blocks: list[Block] = []
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            flags[Flag.HIDDEN_TEXT] += sheet.max_row > 1 or sheet["A1"].value is not None
            continue
        found = list(_blocks(list(_rows(sheet, flags))))
        blocks += [Block(BlockKind.HEADING, sheet.title, 2), *found] if found else []
    properties = book.properties
    metadata = {"author": properties.creator} if properties.creator not in (None, "", "openpyxl") else {}
    return ParsedDocument(properties.title or "", tuple(blocks), metadata, +flags)


def _rows(sheet: Any, flags: Counter[Flag]) -> Iterator[list[Cell]]:
    """Yield the visible cells of each visible row."""
    spans = {(area.min_row, area.min_col): area for area in sheet.merged_cells.ranges}
    covered = {
        (row, column)
        for area in spans.values()
        for row in range(area.min_row, area.max_row + 1)
        for column in range(area.min_col, area.max_col + 1)
    } - set(spans)
    hidden_columns = {
        number
        for dimension in sheet.column_dimensions.values()
        if dimension.hidden
        for number in range(dimension.min or 0, (dimension.max or 0) + 1)
    }
    for row in sheet.iter_rows():
        is_hidden = bool(row) and sheet.row_dimensions[row[0].row].hidden
        cells = []
        for cell in row:
            place = (cell.row, cell.column)
            text = "" if cell.value is None else _shown(cell)
            if is_hidden or cell.column in hidden_columns:
                flags[Flag.HIDDEN_TEXT] += bool(text)
            elif place not in covered:
                area = spans.get(place)
                size = (area.max_col - area.min_col + 1, area.max_row - area.min_row + 1) if area else (1, 1)
                cells.append(Cell(text, *size))
        if not is_hidden:
            yield cells


def _blocks(rows: list[list[Cell]]) -> Iterator[Block]:
    """Yield a table for each run of rows with text, and a paragraph for a row with a single text before it."""
    run: list[list[Cell]] = []
    for row in [*rows, []]:
        filled = [cell for cell in row if cell.text]
        if len(filled) == 1 and not run:
            yield Block(BlockKind.PARAGRAPH, filled[0].text)
        elif filled:
            run.append(row)
        elif run:
            yield Block(BlockKind.TABLE, table_text(_without_margin(run)))
            run = []


def _without_margin(rows: list[list[Cell]]) -> list[list[Cell]]:
    """Leave out the columns before the first and behind the last one with text."""
    places = [index for row in rows for index, cell in enumerate(row) if cell.text]
    return [row[min(places) : max(places) + 1] for row in rows]


def _shown(cell: Any) -> str:
    """Return a value in its number format, as far as digits, thousands, percent signs and dates go."""
    value = cell.value
    if isinstance(value, bool):
        return str(value).upper()
    if hasattr(value, "isoformat"):
        text = value.isoformat(sep=" ") if hasattr(value, "hour") and hasattr(value, "year") else value.isoformat()
        return str(text).removesuffix(" 00:00:00")
    if not isinstance(value, int | float):
        return " ".join(str(value).split())
    plain = _QUOTED.sub("", (cell.number_format or "General").split(";")[0])
    if re.fullmatch(r"0{2,}", plain) and value == int(value):
        return str(int(value)).zfill(len(plain))
    if plain == "General" or "0" not in plain or "E" in plain:
        return f"{value:.15g}"
    decimals = len(match[1]) if (match := _DECIMALS.search(plain)) else 0
    number = value * 100 if "%" in plain else value
    signs = "".join(part.strip('"') for part in re.findall(r'"[^"]*"', cell.number_format.split(";")[0]))
    currency = "".join(re.findall(r"[€$£¥]", cell.number_format.split(";")[0])[:1])
    text = f"{number:{',' if '#,#' in plain or ',0' in plain else ''}.{decimals}f}"
    after = "%" if "%" in plain else signs if not currency else ""
    return f"{currency}{text}{after}"
