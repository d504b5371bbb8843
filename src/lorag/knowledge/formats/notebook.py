"""Jupyter notebooks: Markdown, code and the text of outputs. Nothing is run, and pictures are not read."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Reason
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.html import read_html
from lorag.knowledge.formats.markdown import read_markdown
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a notebook of format 3 or 4, cell by cell."""
    decoded = decode_text(data)
    flags = Counter(decoded.flags)
    blocks: list[Block] = []
    for cell in _cells(decoded.text):
        source = _joined(cell.get("source", cell.get("input", "")))
        if cell.get("cell_type") == "markdown":
            page = read_markdown(source, limits)
            blocks += page.blocks
            flags += page.flags
        elif cell.get("cell_type") == "heading":
            blocks.append(Block(BlockKind.HEADING, source, min(max(int(cell.get("level", 1)), 1), 6)))
        elif source.strip():
            kind = BlockKind.CODE if cell.get("cell_type") == "code" else BlockKind.PARAGRAPH
            blocks.append(Block(kind, source.strip("\n")))
        for output in _maps(cell.get("outputs")):
            blocks += _output(output, limits)
    return ParsedDocument(choose_title("", blocks), tuple(blocks), flags=+flags)


def _cells(text: str) -> Iterator[Mapping[str, Any]]:
    try:
        notebook = json.loads(text)
    except json.JSONDecodeError as error:
        raise Quarantine(Reason.TYPE_MISMATCH, f"named as a notebook, but is no JSON: {error.msg}") from None
    if not isinstance(notebook, dict) or not ("cells" in notebook or "worksheets" in notebook):
        raise Quarantine(Reason.TYPE_MISMATCH, "named as a notebook, but has no cells")
    for sheet in (notebook, *_maps(notebook.get("worksheets"))):
        yield from _maps(sheet.get("cells"))


def _output(output: Mapping[str, Any], limits: Limits) -> list[Block]:
    """Return what is shown of an output: its HTML if it has any, else its text. Errors are not shown."""
    data = output.get("data")
    if isinstance(data, dict) and "text/html" in data:
        return read_html(_joined(data["text/html"]), limits).blocks
    text = _joined(data.get("text/plain", "") if isinstance(data, dict) else output.get("text", ""))
    return [Block(BlockKind.CODE, text.strip("\n"))] if text.strip() else []


def _joined(value: object) -> str:
    return "".join(str(part) for part in value) if isinstance(value, list) else str(value or "")


def _maps(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
