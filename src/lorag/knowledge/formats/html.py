"""HTML by libxml2, read as a stream of tags: there is no tree whose depth could break it. Nothing is fetched or run."""

import re
from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.decoding import decode_text, sniff
from lorag.knowledge.formats.formula import Formula, formula_text
from lorag.knowledge.formats.hidden import UNREAD, VOID, HiddenElements, Sight, attributes_of, is_menu
from lorag.knowledge.formats.inline import BREAK
from lorag.knowledge.formats.page import PageBlocks
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title

_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>|<(script|style)\b.*?</\2\s*>", re.DOTALL | re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]{2}")
_XHTML = re.compile(r"\s*<\?xml|[^>]{0,200}<!DOCTYPE[^>]{0,100}XHTML", re.IGNORECASE)


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a page: the text that a reader sees, without menus.

    Comments and text that is surely hidden are left out and counted as `hidden_text`. Text of which the page alone
    does not tell is kept and counted as `maybe_hidden`. Style sheets in other files are not read: `linked_styles`.
    """
    if (kind := sniff(data)) is not None:
        raise Quarantine(Reason.TYPE_MISMATCH, f"named as HTML, but is {kind}")
    decoded = decode_text(data, may_declare=True)
    page = read_html(decoded.text, limits)
    top = [block for block in page.blocks if block.kind is BlockKind.HEADING and block.level == 1]
    flags = decoded.flags + page.flags
    return ParsedDocument(choose_title("" if top else page.title, page.blocks), tuple(page.blocks), flags=flags)


def read_html(text: str, limits: Limits, *, canvas_known: bool = True) -> "PageReader":
    """The blocks, title and flags of a page; `canvas_known` unless it is shown on a ground that it does not choose."""
    hidden = HiddenElements(canvas_known=canvas_known)
    lower = text.lower()
    if "<style" in lower or "stylesheet" in lower:
        _feed(_Sheets(hidden), text)  # ahead of the text, because a rule may stand behind what it shows or hides
    reader = PageReader(limits.max_depth, hidden)
    if hidden.linked:
        reader.flags[Flag.LINKED_STYLES] = 1
    if "<![cdata[" in lower:
        text = _open_cdata(text, reader)
    _feed(reader, text)
    return reader


def _feed(target: Any, text: str) -> None:
    from lxml import etree

    parser = etree.HTMLParser(target=target, huge_tree=True, no_network=True, encoding="utf-8")
    parser.feed(text.encode())
    parser.close()


def _open_cdata(text: str, reader: "PageReader") -> str:
    """Turn CDATA sections into text: XHTML shows them, and HTML does not."""
    if not _XHTML.match(text):
        reader.flags[Flag.MAYBE_HIDDEN] += sum(match[2] is None for match in _CDATA.finditer(text))
    return _CDATA.sub(lambda match: match[0] if match[2] else escape(match[1], quote=False), text)


class _Sheets:
    """A collector of a page's style sheets (the target interface of lxml parsers)."""

    def __init__(self, hidden: HiddenElements) -> None:
        self._hidden = hidden
        self._css: list[str] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        media = (attributes.get("media") or "").strip().lower()
        if media in ("print", "speech"):
            return
        if tag == "style":
            self._css = []
        elif tag == "link" and "stylesheet" in (attributes.get("rel") or "").lower().split():
            self._hidden.linked = True

    def end(self, tag: str) -> None:
        if tag == "style" and self._css is not None:
            css = "".join(self._css)
            self._hidden.linked = self._hidden.linked or "@import" in css
            self._hidden.add_style_sheet(css)
            self._css = None

    def data(self, text: str) -> None:
        if self._css is not None:
            self._css.append(text)

    def close(self) -> None:
        """Handle the end of the page."""


class PageReader:
    """A reader of tags and text as they arrive (the target interface of lxml parsers)."""

    def __init__(self, max_depth: int, hidden: HiddenElements) -> None:
        self.title = ""
        self.flags: Counter[Flag] = Counter()
        self.blocks: list[Block] = []
        self._max_depth = max_depth
        self._depth = 0
        self._hidden = hidden
        self._page = PageBlocks()
        self._unread = 0  # the number of open elements whose content is not text
        self._menus: list[int] = []  # the depths of open menus that are no `nav`
        self._drawing = 0  # the number of open drawings, of which only the labels are read
        self._label: list[str] | None = None  # the text of the open label of a drawing
        self._labels: list[str] = []
        self._title: list[str] | None = None  # the text of the open title
        self._formulas: list[Formula] = []  # the open elements of a formula, from the outside

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Handle a start tag."""
        self._depth += 1
        if self._depth > self._max_depth:
            raise Quarantine(Reason.TOO_DEEP, f"elements nest deeper than {self._max_depth}")
        given = attributes_of(attributes.items())
        self._hidden.start(tag, given)
        if tag not in UNREAD and is_menu(given):
            self._menus.append(self._depth)
            self._unread += 1
        self._unread += tag in UNREAD
        self._drawing += tag == "svg"
        if tag == "title":
            self._title = []
        elif self._drawing:
            self._label = [] if tag in ("text", "foreignobject") else self._label
        elif self._formulas or tag == "math":
            self._formulas.append(Formula(tag))
        elif not self._unread:
            hidden = self._hidden.sight is Sight.HIDDEN
            self._page.start(tag, given, self._hidden.display, hidden=hidden)
            self._page.text.start(tag, given, self._hidden.align)
            if tag == "br":
                self._page.text.add("\n" if self._page.is_preformatted else BREAK)
            elif tag == "img" and not hidden:
                self._page.text.add(given.get("alt", ""))

    def end(self, tag: str) -> None:
        """Handle an end tag; libxml2 gives one for every start tag."""
        is_end_of_menu = bool(self._menus) and self._menus[-1] == self._depth
        self._depth -= 1
        if tag == "title":
            self._end_title()
        elif self._drawing:
            self._end_in_drawing(tag)
        elif self._formulas:
            self._end_formula()
        elif not self._unread:
            self._page.text.end(tag)
            self._page.end(tag, self._hidden.display if tag not in VOID else "")
        if tag not in VOID:
            self._hidden.end(tag)
        if tag in UNREAD or is_end_of_menu:
            self._unread = max(0, self._unread - 1)
        if is_end_of_menu:
            self._menus.pop()
        self._drawing = max(0, self._drawing - (tag == "svg"))

    def data(self, text: str) -> None:
        """Handle text between tags."""
        if self._title is not None:
            self._title.append(text)
        elif self._unread or (self._drawing and self._label is None) or not self._may_show(text):
            return
        elif self._label is not None:
            self._label.append(text)
        elif self._formulas:
            self._formulas[-1].children.append(Formula("", text))
        else:
            self._page.text.add(text)

    def comment(self, text: str) -> None:
        """Count a comment, which is never indexed. An XML declaration arrives as one and is not counted."""
        if text.strip() and not text.startswith("?xml"):
            self.flags[Flag.HIDDEN_TEXT] += 1

    def close(self) -> None:
        """Handle the end of the page."""
        self.blocks = self._page.finish()

    def _may_show(self, text: str) -> bool:
        """Count text that is, or may be, hidden; return whether it is read."""
        sight = self._hidden.sight
        if sight is not Sight.SEEN and text.strip():
            self.flags[Flag.HIDDEN_TEXT if sight is Sight.HIDDEN else Flag.MAYBE_HIDDEN] += 1
        return sight is not Sight.HIDDEN

    def _end_title(self) -> None:
        # A drawing has a title, too, which is not that of the page.
        if not self._drawing:
            self.title = self.title or " ".join("".join(self._title or ()).split())
        self._title = None

    def _end_in_drawing(self, tag: str) -> None:
        """Keep the labels of a drawing that have words; the numbers at an axis say nothing without the picture."""
        if tag in ("text", "foreignobject") and self._label is not None:
            label = " ".join("".join(self._label).split())
            self._labels += [label] if _WORD.search(label) else []
            self._label = None
        elif tag == "svg" and self._drawing == 1 and self._labels:
            self._page.add(Block(BlockKind.PARAGRAPH, "; ".join(self._labels)))
            self._labels = []

    def _end_formula(self) -> None:
        done = self._formulas.pop()
        if self._formulas:
            self._formulas[-1].children.append(done)
        elif text := formula_text(done):
            self._page.text.add(text)
