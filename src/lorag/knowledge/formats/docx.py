"""Word documents by python-docx, after the archive was checked. Embedded files are not opened."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.archive import open_archive, read_entry, refuse_entities
from lorag.knowledge.formats.decoding import sniff
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_NOT_READ = {f"{_W}del", f"{_W}moveFrom", f"{_W}instrText", _FALLBACK}
_WHITE = {"FFFFFF", "white"}


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a .docx: headings, paragraphs, lists and tables in reading order, with tracked insertions accepted.

    Not read: headers, footers, notes, comments, text in pictures and embedded files.
    """
    if (kind := sniff(data)) == "an old or encrypted Office file":
        raise Quarantine(Reason.ENCRYPTED, "an encrypted document, or one of Word 97-2003 under another name")
    if kind != "a zip archive":
        raise Quarantine(Reason.TYPE_MISMATCH, f"named .docx, but is {kind or 'no zip archive'}")
    _check_entries(data)
    import docx

    word = docx.Document(io.BytesIO(data))
    styles = {style.style_id: (style.name or "").lower() for style in word.styles}
    reader = _Reader(styles, _numbered_levels(word), limits, Counter())
    reader.read(word.element.body, 0)
    reader.flush_list()
    properties = word.core_properties
    title = choose_title("", reader.blocks) or properties.title
    metadata = {"author": properties.author} if properties.author else {}
    return ParsedDocument(title, tuple(reader.blocks), metadata, reader.flags)


def _check_entries(data: bytes) -> None:
    with open_archive(data) as archive:
        names = archive.namelist()
        if "word/document.xml" not in names:
            raise Quarantine(Reason.TYPE_MISMATCH, "a zip archive, but no Word document")
        for name in names:
            content = read_entry(archive, name)
            if name.endswith((".xml", ".rels")):
                refuse_entities(name, content)


class _Reader:
    """A reader of the body; it collects the items of a list until another kind of element comes."""

    def __init__(
        self, styles: Mapping[str, str], numbered: Set[tuple[str, str]], limits: Limits, flags: Counter[Flag]
    ) -> None:
        self.blocks: list[Block] = []
        self.flags = flags
        self._limits = limits
        self._styles = styles
        self._numbered = numbered
        self._list_lines: list[str] = []
        self._counters: dict[int, int] = {}

    def read(self, parent: Any, depth: int) -> None:
        """Add the blocks of the body, a content control or a table cell."""
        if depth > self._limits.max_depth:
            raise Quarantine(Reason.TOO_DEEP, f"elements nest deeper than {self._limits.max_depth}")
        for element in parent:
            if element.tag == f"{_W}p":
                self._read_paragraph(element)
            elif element.tag == f"{_W}tbl":
                self.flush_list()
                rows = [" | ".join(self._cells(row, depth)) for row in _rows(element)]
                self.blocks.append(Block(BlockKind.TABLE, "\n".join(row for row in rows if row.strip(" |"))))
            elif element.tag in (f"{_W}sdt", f"{_W}sdtContent", f"{_W}ins", f"{_W}customXml"):
                self.read(element, depth + 1)

    def flush_list(self) -> None:
        """End the open list."""
        if self._list_lines:
            self.blocks.append(Block(BlockKind.LIST, "\n".join(self._list_lines)))
        self._list_lines, self._counters = [], {}

    def _read_paragraph(self, paragraph: Any) -> None:
        text = "".join(self._text(paragraph, paragraph))
        if not text.strip():
            return
        style = self._style_name(paragraph)
        level = _heading_level(style)
        numbering = paragraph.find(f"{_W}pPr/{_W}numPr")
        if level:
            self.flush_list()
            self.blocks.append(Block(BlockKind.HEADING, " ".join(text.split()), level))
        elif numbering is not None or style.startswith("list"):
            self._add_item(text, style, numbering)
        else:
            self.flush_list()
            self.blocks.append(Block(BlockKind.PARAGRAPH, text))

    def _style_name(self, paragraph: Any) -> str:
        style = paragraph.find(f"{_W}pPr/{_W}pStyle")
        return "" if style is None else self._styles.get(style.get(f"{_W}val"), "")

    def _add_item(self, text: str, style: str, numbering: Any) -> None:
        if numbering is not None:
            level = _value(numbering, "ilvl") or "0"
            counts = (_value(numbering, "numId"), level) in self._numbered
        else:
            level = str(int(style[-1]) - 1) if style[-1:].isdigit() else "0"
            counts = "number" in style
        depth = min(int(level), 9)
        self._counters = {key: count for key, count in self._counters.items() if key <= depth}
        marker = "-"
        if counts:
            self._counters[depth] = self._counters.get(depth, 0) + 1
            marker = f"{self._counters[depth]}."
        self._list_lines.append(f"{'  ' * depth}{marker} {text.strip()}")

    def _cells(self, row: Any, depth: int) -> Iterator[str]:
        for cell in row.iter(f"{_W}tc"):
            if next(cell.iterancestors(f"{_W}tr")) is not row:
                continue  # a cell of a nested table, whose text is part of the outer cell's text
            inner = _Reader(self._styles, self._numbered, self._limits, self.flags)
            inner.read(cell, depth + 1)
            inner.flush_list()
            yield " ".join(" ".join(block.text.split()) for block in inner.blocks)

    def _text(self, element: Any, paragraph: Any) -> Iterator[str]:
        for child in element:
            if child.tag in _NOT_READ:
                continue
            if child.tag == f"{_W}t":
                yield child.text or ""
            elif child.tag == f"{_W}tab":
                yield "\t"
            elif child.tag in (f"{_W}br", f"{_W}cr"):
                yield "\n"
            elif child.tag == f"{_W}noBreakHyphen":
                yield "-"
            elif child.tag == f"{_W}r" and _is_hidden(child):
                self.flags[Flag.HIDDEN_TEXT] += bool("".join(child.itertext(f"{_W}t")).strip())
            elif child.tag != f"{_W}pPr":
                yield from self._text(child, paragraph)


def _value(parent: Any, name: str) -> str:
    child = parent.find(f"{_W}{name}")
    return "" if child is None else str(child.get(f"{_W}val"))


def _numbered_levels(word: Any) -> set[tuple[str, str]]:
    """Return the (list id, level) pairs that show a number instead of a bullet."""
    from docx.opc.constants import RELATIONSHIP_TYPE

    try:
        root = word.part.part_related_by(RELATIONSHIP_TYPE.NUMBERING).element
    except KeyError:
        return set()  # no lists
    counting = {
        (abstract.get(f"{_W}abstractNumId"), level.get(f"{_W}ilvl"))
        for abstract in root.iter(f"{_W}abstractNum")
        for level in abstract.iter(f"{_W}lvl")
        if _value(level, "numFmt") not in ("bullet", "none", "")
    }
    return {
        (number.get(f"{_W}numId"), level)
        for number in root.iter(f"{_W}num")
        for abstract, level in counting
        if abstract == _value(number, "abstractNumId")
    }


def _rows(table: Any) -> Iterator[Any]:
    for row in table.iter(f"{_W}tr"):
        if next(row.iterancestors(f"{_W}tbl")) is table:
            yield row


def _heading_level(style: str) -> int:
    if style == "title":
        return 1
    name, _, number = style.rpartition(" ")
    return min(int(number), 6) if name == "heading" and number.isdigit() else 0


def _is_hidden(run: Any) -> bool:
    """Whether a run is marked hidden, or white where nothing around it is shaded."""
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    if vanish is not None and vanish.get(f"{_W}val") not in ("0", "false"):
        return True
    colour = run.find(f"{_W}rPr/{_W}color")
    if colour is None or colour.get(f"{_W}val") not in _WHITE:
        return False
    shaded = [run.find(f"{_W}rPr/{_W}shd"), run.find(f"{_W}rPr/{_W}highlight")]
    for ancestor in run.iterancestors(f"{_W}p", f"{_W}tc", f"{_W}tbl"):
        shaded += [ancestor.find(f"{_W}{part}/{_W}shd") for part in ("pPr", "tcPr", "tblPr")]
        shaded += [ancestor.find(f"{_W}tblPr/{_W}tblStyle")]
    return all(element is None for element in shaded)
