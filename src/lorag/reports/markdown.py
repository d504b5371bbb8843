"""Markdown that stays what it is, whatever text is put into it."""

from collections.abc import Iterable, Sequence


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns but the first are aligned right."""
    lines = [columns, [":---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(one_line, line)) + " |" for line in lines)


def one_line(text: str) -> str:
    """Return the text on one line, with nothing that ends a cell."""
    return " ".join(text.split()).replace("|", "\\|")
