"""Rows of tables in the text of a chunk, and the first row, which says what their cells are."""

CELLS = " | "
"""What stands between two cells of a row."""


def header_of(text: str, start: int) -> tuple[int, int] | None:
    """Return start and end of the first row of the table that the row at `start` is in.

    None if no row with other rows of as many cells above it is there.
    """
    begin, end = text.rfind("\n", 0, start) + 1, _line_end(text, start)
    n_cells = _n_cells(text[begin:end])
    if n_cells < 2:
        return None
    first = begin
    while first and _n_cells(line := text[: first - 1].rpartition("\n")[2]) == n_cells:
        first -= len(line) + 1
    return (first, _line_end(text, first)) if first < begin else None


def label_cells(header: str, row: str) -> str:
    """Return the row as text, each cell behind its name: `Berth 4; Depth 3.1 m`."""
    return "; ".join(f"{name} {cell}" for name, cell in zip(header.split(CELLS), row.split(CELLS), strict=False))


def stated_by(text: str, start: int, end: int) -> str:
    """Return what `text[start:end]` says by itself; a row of a table says what its cells are."""
    header = header_of(text, start)
    return label_cells(text[slice(*header)], text[start:end]) if header else text[start:end]


def _n_cells(line: str) -> int:
    return len(line.split(CELLS))


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end
