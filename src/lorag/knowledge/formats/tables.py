"""Tables as lines of `a | b | c`, where a cell that spans rows or columns stands under each of its headings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lorag.knowledge.documents import Block, BlockKind

_MAX_COLUMNS = 1_000
_MAX_CELLS = 200_000
_MAX_REPEATED = 200
"""A longer text stands in the first of its cells only."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell on one line, and how many columns and rows it spans."""

    text: str
    columns: int = 1
    rows: int = 1


def table_text(rows: Sequence[Sequence[Cell]]) -> str:
    """Return the lines of a table without its empty rows.

    The text of a spanning cell is repeated in each cell that it covers; a cell as wide as the table stands alone.
    """
    placed = list(_place(rows))
    width = max((len(row) for row in placed), default=0)
    lines = []
    for given, row in zip(rows, placed, strict=True):
        texts = [cell.text for cell in row]
        if len(given) == 1 and given[0].columns >= width > 1 and len(row) == given[0].columns:
            texts = texts[:1]
        if any(texts):
            lines.append(" | ".join(texts).rstrip())
    return "\n".join(lines)


def one_line(blocks: Sequence[Block]) -> str:
    """Return the text of a cell: the items of a list and the rows of an inner table are separated by semicolons."""
    parts = []
    for block in blocks:
        lines = [" ".join(line.split()) for line in block.text.split("\n")]
        if block.kind is BlockKind.TABLE:
            parts.append("; ".join(line.replace(" | ", ", ") for line in lines))
        elif block.kind is BlockKind.LIST:
            parts.append("; ".join(line.removeprefix("- ") for line in lines))
        else:
            parts.append(" ".join(lines))
    return " ".join(part for part in parts if part)


def _place(rows: Sequence[Sequence[Cell]]) -> Iterator[list[Cell]]:
    """Yield one cell for each column of each row."""
    above: dict[int, tuple[int, Cell]] = {}  # column: for how many more rows which cell
    budget = _MAX_CELLS
    for row in rows:
        line: list[Cell] = []
        below: dict[int, tuple[int, Cell]] = {}
        for cell in row:
            _continue(line, above, below)
            columns = max(1, min(cell.columns, _MAX_COLUMNS, budget))
            again = cell if len(cell.text) <= _MAX_REPEATED else Cell("")
            if cell.rows > 1 and budget > 0:
                below |= {len(line) + number: (cell.rows - 1, again) for number in range(columns)}
            line += [cell, *[again] * (columns - 1)]
        _continue(line, above, below)
        for column in sorted(above):
            line += [Cell("")] * (column - len(line))
            _continue(line, above, below)
        budget -= len(line)
        above = below
        yield line


def _continue(line: list[Cell], above: dict[int, tuple[int, Cell]], below: dict[int, tuple[int, Cell]]) -> None:
    """Add the cells that go on from the row above at this column, and those next to them."""
    while (column := len(line)) in above:
        left, cell = above.pop(column)
        if left > 1:
            below[column] = (left - 1, cell)
        line.append(cell)
