"""Word documents by python-docx, after the archive was checked. Embedded files are not opened."""

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.archive import check_office_file
from lorag.knowledge.formats.docx_lists import ListNumbers, read_levels, value_of
from lorag.knowledge.formats.docx_sight import RunStyles, W
from lorag.knowledge.formats.docx_text import WordText
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title
from lorag.knowledge.formats.tables import Cell, one_line, table_text

_CONTAINERS = {f"{W}{name}" for name in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag")}
_MAX_LEVEL = 9


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a .docx: headings, paragraphs, lists, tables, text boxes, notes and formulas in reading order.

    Tracked insertions are accepted. Hidden runs are left out and counted; white ones are kept and counted where it
    cannot be told what is behind them. Not read: headers, footers, comments, text in pictures and embedded files.
    """
    import docx  # First, so that a process that parses many has it before the first.

    check_office_file(data, ".docx", "word/document.xml", "a Word document")
    word = docx.Document(io.BytesIO(data))
    flags: Counter[Flag] = Counter()
    styles = RunStyles(word)
    reader = _Reader(styles, WordText(styles, _read_notes(word), flags), ListNumbers(read_levels(word)), limits)
    reader.read(word.element.body, 0)
    blocks = reader.finish()
    properties = word.core_properties
    title = choose_title("", blocks) or properties.title
    metadata = {"author": properties.author} if properties.author else {}
    return ParsedDocument(title, tuple(blocks), metadata, flags)


class _Reader:
    """A reader of the body; it collects the items of a list until another kind of element comes."""

    def __init__(self, styles: RunStyles, text: WordText, numbers: ListNumbers, limits: Limits) -> None:
        self._blocks: list[Block] = []
        self._limits = limits
        self._styles = styles
        self._text = text
        self._numbers = numbers
        self._list_lines: list[str] = []
        self._counters: dict[int, int] = {}
        self._notes: list[tuple[str, Any]] = []

    def read(self, parent: Any, depth: int) -> None:
        """Add the blocks of the body, a content control, a text box, a note or a table cell."""
        if depth > self._limits.max_depth:
            raise Quarantine(Reason.TOO_DEEP, f"elements nest deeper than {self._limits.max_depth}")
        for element in parent:
            if element.tag == f"{W}p":
                self._read_paragraph(element, depth)
            elif element.tag == f"{W}tbl":
                self._end_list(depth)
                self._blocks.append(Block(BlockKind.TABLE, table_text(list(self._rows(element, depth)))))
                self._add_notes(depth)
            elif element.tag in _CONTAINERS:
                self.read(element, depth + 1)

    def finish(self) -> list[Block]:
        """End the open list, and return the blocks."""
        self._end_list(0)
        return self._blocks

    def _end_list(self, depth: int) -> None:
        if self._list_lines:
            self._blocks.append(Block(BlockKind.LIST, "\n".join(self._list_lines)))
        self._list_lines, self._counters = [], {}
        self._add_notes(depth)

    def _add_notes(self, depth: int) -> None:
        """Add the notes behind the block that refers to them."""
        notes, self._notes = self._notes, []
        for mark, note in notes:
            self._blocks.append(Block(BlockKind.PARAGRAPH, f"{mark} {one_line(self._inside(note, depth))}"))

    def _read_paragraph(self, element: Any, depth: int) -> None:
        paragraph = self._text.read(element)
        if paragraph.text.strip():
            self._add_paragraph(paragraph.text, element, depth)
        self._notes += paragraph.notes
        if not self._list_lines:
            self._add_notes(depth)
        for box in paragraph.boxes:
            self._end_list(depth)
            self._blocks += self._inside(box, depth)

    def _add_paragraph(self, text: str, element: Any, depth: int) -> None:
        style = self._styles.name_of(element)
        level = _heading_level(style)
        numbering = element.find(f"{W}pPr/{W}numPr")
        if level:
            self._end_list(depth)
            self._blocks.append(Block(BlockKind.HEADING, " ".join(text.split()), level))
        elif style.startswith("list") or (numbering is not None and value_of(numbering, "numId") != "0"):
            self._add_item(text, style, numbering)
        else:
            self._end_list(depth)
            self._blocks.append(Block(BlockKind.PARAGRAPH, text))

    def _add_item(self, text: str, style: str, numbering: Any) -> None:
        if numbering is not None:
            level = value_of(numbering, "ilvl")
            depth = min(int(level), _MAX_LEVEL) if level.isdigit() else 0
            marker = self._numbers.next_marker(value_of(numbering, "numId"), depth)
        else:
            depth = int(style[-1]) - 1 if style[-1:].isdigit() else 0
            marker = self._count(depth) if "number" in style else "-"
        self._list_lines.append(f"{'  ' * depth}{marker} {text.strip()}")

    def _count(self, depth: int) -> str:
        self._counters = {key: count for key, count in self._counters.items() if key <= depth}
        self._counters[depth] = self._counters.get(depth, 0) + 1
        return f"{self._counters[depth]}."

    def _rows(self, table: Any, depth: int) -> Iterator[list[Cell]]:
        """Yield the cells of each row; a cell that goes on from the row above has its text."""
        above: dict[int, str] = {}
        for row in _own(table, "tr", "tbl"):
            if row.find(f"{W}trPr/{W}del") is not None:
                continue
            before = value_of(row.find(f"{W}trPr"), "gridBefore") if row.find(f"{W}trPr") is not None else ""
            cells = [Cell("")] * (min(int(before), 100) if before.isdigit() else 0)
            column, texts = len(cells), {}
            for cell in _own(row, "tc", "tr"):
                properties = cell.find(f"{W}tcPr")
                span = value_of(properties, "gridSpan") if properties is not None else ""
                merge = properties.find(f"{W}vMerge") if properties is not None else None
                text = one_line(self._inside(cell, depth))
                if merge is not None and merge.get(f"{W}val") != "restart":
                    text = text or above.get(column, "")
                if merge is not None:
                    texts[column] = text
                cells.append(Cell(text, int(span) if span.isdigit() else 1))
                column += max(1, cells[-1].columns)
            above = texts
            yield cells

    def _inside(self, parent: Any, depth: int) -> list[Block]:
        """Return the blocks of a cell, a text box or a note, with the notes that they refer to."""
        inner = _Reader(self._styles, self._text, self._numbers, self._limits)
        inner.read(parent, depth + 1)
        return inner.finish()


def _read_notes(word: Any) -> dict[tuple[str, str], Any]:
    """Return the foot- and endnotes by the tag of their reference and their id."""
    from docx.opc.constants import RELATIONSHIP_TYPE
    from docx.oxml import parse_xml

    found: dict[tuple[str, str], Any] = {}
    kinds = (("footnote", RELATIONSHIP_TYPE.FOOTNOTES), ("endnote", RELATIONSHIP_TYPE.ENDNOTES))
    for name, relationship in kinds:
        try:
            root = parse_xml(word.part.part_related_by(relationship).blob)
        except KeyError:
            continue  # no notes of this kind
        for note in root.iterchildren(f"{W}{name}"):
            if note.get(f"{W}type") in (None, "normal"):  # others are lines between text and notes
                found[f"{W}{name}Reference", note.get(f"{W}id") or ""] = note
    return found


def _own(parent: Any, name: str, owner: str) -> Iterator[Any]:
    """Yield the rows of a table or the cells of a row, without those of the tables inside it."""
    for element in parent.iter(f"{W}{name}"):
        if next(element.iterancestors(f"{W}{owner}")) is parent:
            yield element


def _heading_level(style: str) -> int:
    if style == "title":
        return 1
    name, _, number = style.rpartition(" ")
    return min(int(number), 6) if name == "heading" and number.isdigit() else 0
