"""PowerPoint files by python-pptx, after the archive was checked: slide by slide, with tables and notes."""

import io
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Flag
from lorag.knowledge.formats.archive import check_office_file
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, choose_title
from lorag.knowledge.formats.raised import lowered, raised
from lorag.knowledge.formats.tables import Cell, table_text


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a .pptx: each slide's title is a heading, its shapes follow from the top left to the bottom right.

    Hidden slides are kept and counted as `maybe_hidden`. Not read: text in pictures, charts, diagrams and comments.
    """
    import pptx  # First, so that a process that parses many has it before the first.

    check_office_file(data, ".pptx", "ppt/presentation.xml", "a PowerPoint file")
    presentation = pptx.Presentation(io.BytesIO(data))
    flags: Counter[Flag] = Counter()
    blocks: list[Block] = []
    for number, slide in enumerate(presentation.slides, start=1):
        flags[Flag.MAYBE_HIDDEN] += slide.element.get("show") in ("0", "false")
        title = slide.shapes.title
        text = " ".join(_text(title.text_frame).split()) if title is not None else ""
        blocks.append(Block(BlockKind.HEADING, text or f"Slide {number}", 2))
        for shape in _in_reading_order(slide.shapes):
            if title is None or shape.shape_id != title.shape_id:
                blocks += _read_shape(shape)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None and _text(notes).strip():
            blocks.append(Block(BlockKind.PARAGRAPH, f"Notes: {_text(notes)}"))
    properties = presentation.core_properties
    metadata = {"author": properties.author} if properties.author else {}
    return ParsedDocument(properties.title or choose_title("", blocks), tuple(blocks), metadata, +flags)


def _in_reading_order(shapes: Iterable[Any]) -> Iterator[Any]:
    """Yield shapes from the top to the bottom and from left to right; those of a group stay together."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _in_reading_order(shape.shapes)
        else:
            yield shape


def _read_shape(shape: Any) -> Iterator[Block]:
    if shape.has_table if hasattr(shape, "has_table") else False:
        rows = [[_cell(cell) for cell in row.cells if not cell.is_spanned] for row in shape.table.rows]
        yield Block(BlockKind.TABLE, table_text(rows))
    elif shape.has_text_frame:
        paragraphs = [item for item in shape.text_frame.paragraphs if _paragraph(item).strip()]
        if shape.is_placeholder and len(paragraphs) > 1:
            lines = [f"{'  ' * item.level}- {' '.join(_paragraph(item).split())}" for item in paragraphs]
            yield Block(BlockKind.LIST, "\n".join(lines))
        elif paragraphs:
            yield Block(BlockKind.PARAGRAPH, "\n".join(_paragraph(item) for item in paragraphs))


def _cell(cell: Any) -> Cell:
    text = " ".join(_text(cell.text_frame).split())
    return Cell(text, cell.span_width, cell.span_height) if cell.is_merge_origin else Cell(text)


def _text(frame: Any) -> str:
    return "\n".join(_paragraph(paragraph) for paragraph in frame.paragraphs)


def _paragraph(paragraph: Any) -> str:
    text = ""
    for run in paragraph._p:
        name = run.tag.rpartition("}")[2]
        if name == "br":
            text += "\n"
        elif name in ("r", "fld"):
            words = "".join(child.text or "" for child in run if child.tag.endswith("}t"))
            properties: Any = next((child for child in run if child.tag.endswith("}rPr")), {})
            baseline = properties.get("baseline") or "0"
            if properties.get("strike") in ("sngStrike", "dblStrike"):
                words = f"~~{words}~~"
            elif baseline.lstrip("-").isdigit() and int(baseline):
                words = raised(words, text) if int(baseline) > 0 else lowered(words, text)
            text += words
    return text
