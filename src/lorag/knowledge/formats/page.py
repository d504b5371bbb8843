"""A collector of blocks from the tags and the text of a page as they arrive: there is no tree to be too deep."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.formats.inline import InlineText
from lorag.knowledge.formats.markers import marker_of
from lorag.knowledge.formats.tables import Cell, one_line, table_text

HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = frozenset(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer"
    " form header hgroup hr html legend main p search section summary optgroup option".split()
)
LISTS = frozenset(("ul", "ol", "menu", "dir"))
_BLOCK_DISPLAYS = frozenset("block flex grid list-item table flow-root table-row table-cell".split())
_LATER = "\x00"
_MAX_SPAN = 65_534
# A container ends no further out than at one of these.
_BOUNDS = {"row": ("table",), "cell": ("table",), "caption": ("table",), "item": ("list", "cell"), "list": ("cell",)}
_BOUNDS["table"] = ()


@dataclass(slots=True)
class _Frame:
    """An open container: the page, a list, an item, a table, a row, a cell or a caption."""

    kind: str
    blocks: list[Block] = field(default_factory=list)
    hidden: bool = False
    # of a list
    number: int = 0
    step: int = 0  # 0 for bullets
    style: str = "1"
    is_implied: bool = False  # an item stands outside any list
    counts_down: bool = False  # from the number of its items, which is known at its end
    lines: list[str] = field(default_factory=list)
    # of an item
    marker: str = "- "
    # of a table
    rows: list[list[Cell]] = field(default_factory=list)
    # of a cell
    columns: int = 1
    spans: int = 1


class PageBlocks:
    """The blocks of a page. A list gives one block with the items' markers, a table one with a line for each row.

    The terms of a definition stand before its first words, as in `term: text`: apart, neither says what it is about.
    """

    def __init__(self) -> None:
        self.text = InlineText()
        self._frames = [_Frame("page")]
        self._headings: list[int] = []
        self._preformatted = 0
        self._is_term = False
        self._terms: list[str] = []  # those whose definition has not begun

    @property
    def blocks(self) -> list[Block]:
        """The blocks outside lists and tables so far."""
        return self._frames[0].blocks

    @property
    def is_preformatted(self) -> bool:
        """Whether line breaks count."""
        return bool(self._preformatted)

    def start(self, tag: str, attributes: Mapping[str, str], display: str, *, hidden: bool) -> None:
        """Handle a start tag; `display` is that of its style, if any."""
        if tag in LISTS or tag in HEADINGS or tag in ("table", "pre"):
            self._end_terms()
        if tag in LISTS:
            self._flush()
            self._frames.append(_list_frame(tag, attributes))
        elif tag == "li":
            self._flush()
            self._begin_item(attributes, hidden=hidden)
        elif tag == "table":
            self._flush()
            self._frames.append(_Frame("table"))
        elif tag == "caption" and self._is_in_table:
            self._flush()
            self._frames.append(_Frame("caption"))
        elif tag == "tr" and self._is_in_table:
            self._flush()
            self._close("row")
            self._frames.append(_Frame("row", hidden=hidden))
        elif tag in ("td", "th") and self._is_in_table:
            self._flush()
            self._close("cell")
            if self._frames[-1].kind == "table":
                self._frames.append(_Frame("row"))
            columns, rows = _span(attributes, "colspan"), _span(attributes, "rowspan", to_end=True)
            self._frames.append(_Frame("cell", hidden=hidden, columns=columns, spans=rows))
        elif tag in BLOCKS or tag in HEADINGS or tag in ("pre", "td", "th", "tr") or display in _BLOCK_DISPLAYS:
            self._flush()
            if tag in HEADINGS:
                self._headings.append(HEADINGS[tag])
            self._preformatted += tag == "pre"
            self._is_term = tag == "dt" or (self._is_term and tag != "dd")

    def end(self, tag: str, display: str) -> None:
        """Handle an end tag."""
        if tag in LISTS:
            self._flush()
            self._close("list")
        elif tag == "li":
            self._flush()
            self._close("item")
            if self._frames[-1].is_implied:
                self._close("list")
        elif tag == "table":
            self._flush()
            self._close("table")
        elif tag in ("tr", "td", "th", "caption"):
            self._flush()
            self._close({"tr": "row", "caption": "caption"}.get(tag, "cell"))
        elif tag in BLOCKS or tag in HEADINGS or tag == "pre" or display in _BLOCK_DISPLAYS:
            self._flush()
            if tag in HEADINGS and self._headings:
                self._headings.pop()
            self._preformatted = max(0, self._preformatted - (tag == "pre"))
            if tag in ("dt", "dl"):
                self._is_term = False
            if tag == "dl":
                self._end_terms()

    def add(self, block: Block) -> None:
        """Add a block at this point."""
        self._end_terms()
        self._place(block)

    def finish(self) -> list[Block]:
        """Close what is open, and return all blocks."""
        self._end_terms()
        while len(self._frames) > 1:
            self._close(self._frames[-1].kind)
        return self.blocks

    def _flush(self) -> None:
        """Turn the collected words into a block of the innermost container."""
        text = self.text.take(preformatted=self.is_preformatted)
        if not text.strip():
            return
        if self._headings:
            self._place(Block(BlockKind.HEADING, " ".join(text.rstrip("¶").split()), self._headings[-1]))
        elif self._is_term:
            self._terms.append(" ".join(text.split()))
        elif self._preformatted:
            self._place(Block(BlockKind.CODE, text))
        else:
            terms = f"{', '.join(self._terms).removesuffix(':')}: " if self._terms else ""
            self._terms = []
            self._place(Block(BlockKind.PARAGRAPH, terms + text))

    def _end_terms(self) -> None:
        """Turn the collected words, and terms without a definition, into blocks."""
        self._flush()
        terms, self._terms = self._terms, []
        if terms:
            self._place(Block(BlockKind.PARAGRAPH, ", ".join(terms)))

    def _place(self, block: Block) -> None:
        # Text between the cells of a table or the items of a list stands before the table, and in the list.
        frame = next(frame for frame in reversed(self._frames) if frame.kind not in ("table", "row"))
        if frame.kind == "list":
            frame.lines += [f"  {line}" for line in block.text.split("\n")]
        else:
            frame.blocks.append(block)

    @property
    def _is_in_table(self) -> bool:
        return any(frame.kind == "table" for frame in self._frames)

    def _begin_item(self, attributes: Mapping[str, str], *, hidden: bool) -> None:
        if self._frames[-1].kind == "item":
            self._close("item")
        if self._frames[-1].kind != "list":
            self._frames.append(_Frame("list", is_implied=True))
        frame = self._frames[-1]
        marker = "-"
        if frame.step:
            if (value := attributes.get("value", "")).lstrip("-").isdigit():
                frame.number = int(value[:9])
            marker = f"{marker_of(frame.number, attributes.get('type', frame.style))}."
            frame.number += 0 if hidden else frame.step
            if frame.counts_down:
                marker = f"{_LATER}."
        self._frames.append(_Frame("item", marker=f"{marker} "))

    def _close(self, kind: str) -> None:
        """End the innermost container of this kind and what is open in it; nothing if none is open in this table."""
        for index in range(len(self._frames) - 1, 0, -1):
            found = self._frames[index].kind
            if found == kind:
                while len(self._frames) > index:
                    self._end_frame(self._frames.pop())
                return
            if found in _BOUNDS[kind]:
                return

    def _end_frame(self, frame: _Frame) -> None:
        outer = self._frames[-1]
        if frame.kind == "item" and outer.kind == "list":
            outer.lines += _item_lines(frame)
        elif frame.kind == "list":
            if frame.is_implied and outer.blocks and outer.blocks[-1].kind is BlockKind.LIST:
                frame.lines.insert(0, outer.blocks.pop().text)
            if frame.counts_down:
                _number_down(frame)
            if frame.lines:
                self._place(Block(BlockKind.LIST, "\n".join(frame.lines)))
        elif frame.kind == "cell" and outer.kind == "row":
            if not frame.hidden:
                outer.rows = outer.rows or [[]]
                outer.rows[0].append(Cell(one_line(frame.blocks), frame.columns, frame.spans))
        elif frame.kind == "row" and outer.kind == "table":
            outer.rows += frame.rows or [[]]
        elif frame.kind == "table":
            if text := table_text(frame.rows):
                self._place(Block(BlockKind.TABLE, text))
        else:
            for block in frame.blocks:
                self._place(block)


def _list_frame(tag: str, attributes: Mapping[str, str]) -> _Frame:
    if tag != "ol":
        return _Frame("list")
    start = attributes.get("start", "")
    number = int(start[:9]) if start.lstrip("-").isdigit() else 1
    down = "reversed" in attributes
    style = attributes.get("type", "1")
    return _Frame("list", number=number, step=-1 if down else 1, style=style, counts_down=down and not start)


def _number_down(frame: _Frame) -> None:
    """Put in the numbers of a list that counts down to 1."""
    number = sum(line.startswith(_LATER) for line in frame.lines)
    for index, line in enumerate(frame.lines):
        if line.startswith(_LATER):
            frame.lines[index] = marker_of(number, frame.style) + line[len(_LATER) :]
            number -= 1


def _item_lines(item: _Frame) -> list[str]:
    lines = [line for block in item.blocks for line in block.text.split("\n")]
    indent = " " * len(item.marker)
    return [item.marker + lines[0], *((indent + line).rstrip() for line in lines[1:])] if lines else []


def _span(attributes: Mapping[str, str], name: str, *, to_end: bool = False) -> int:
    text = attributes.get(name, "").strip()
    if not text.isdigit():
        return 1
    number = int(text[:6])
    return min(number, _MAX_SPAN) or (_MAX_SPAN if to_end else 1)
