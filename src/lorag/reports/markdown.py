"""Markdown that stays what it is, whatever text is put into it."""

from collections.abc import Iterable, Sequence

from lorag.reports.page import Section


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns but the first are aligned right."""
    lines = [columns, [":---", *["---:"] * (len(columns) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(one_line, line)) + " |" for line in lines)


def one_line(text: str) -> str:
    """Return the text on one line, with nothing that ends a cell."""
    return " ".join(text.split()).replace("|", "\\|")


def markdown_page(title: str, lead: Sequence[str], sections: Sequence[Section]) -> str:
    """Return sections as one Markdown page; drawings are left out."""
    parts = [f"# {one_line(title)}", *lead]
    for section in sections:
        parts += [f"## {one_line(section.title)}", *map(one_line, section.text)]
        for table in section.tables:
            parts += [one_line(table.caption)] if table.caption else []
            parts.append(markdown_table(table.columns, table.rows))
    return "\n\n".join(parts) + "\n"
