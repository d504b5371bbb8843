"""HTML by libxml2, read as a stream of tags: there is no tree whose depth could break it. Nothing is fetched or run."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.decoding import decode_text, sniff
from lorag.knowledge.formats.hidden import UNREAD, VOID, HiddenElements, attributes_of
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    "address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer"
    " form header hgroup hr legend main p section summary".split()
)


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a page: the text that a reader sees, without menus; hidden text and comments are counted."""
    if (kind := sniff(data)) is not None:
        raise Quarantine(Reason.TYPE_MISMATCH, f"named as HTML, but is {kind}")
    decoded = decode_text(data, may_declare=True)
    page = read_html(decoded.text, limits)
    top = [block for block in page.blocks if block.kind is BlockKind.HEADING and block.level == 1]
    flags = decoded.flags + page.flags
    return ParsedDocument(choose_title("" if top else page.title, page.blocks), tuple(page.blocks), flags=flags)


def read_html(text: str, limits: Limits) -> "PageReader":
    """The blocks, title and flags of a page or of a fragment of one."""
    from lxml import etree

    reader = PageReader(limits.max_depth)
    target: Any = reader  # the stubs also allow bytes, which never come where the input is text
    parser = etree.HTMLParser(target=target, huge_tree=True, no_network=True, encoding="utf-8")
    parser.feed(text.encode())
    parser.close()
    return reader


class PageReader:
    """A collector of blocks from tags and text as they arrive (the target interface of lxml parsers)."""

    def __init__(self, max_depth: int) -> None:
        self.blocks: list[Block] = []
        self.title = ""
        self.flags: Counter[Flag] = Counter()
        self._max_depth = max_depth
        self._depth = 0
        self._hidden = HiddenElements()
        self._unread = 0  # the number of open elements whose content is not text
        self._words: list[str] = []
        self._heading = 0
        self._preformatted = 0
        self._lists: list[int] = []  # the last number of each open list; -1 for bullets
        self._list_lines: list[str] = []
        self._tables = 0
        self._rows: list[list[str]] = []
        self._raw: list[str] | None = None  # the text of the open title or style element

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Handle a start tag."""
        self._depth += 1
        if self._depth > self._max_depth:
            raise Quarantine(Reason.TOO_DEEP, f"elements nest deeper than {self._max_depth}")
        self._hidden.start(tag, attributes_of(attributes.items()))
        if tag in UNREAD:
            self._unread += 1
        if tag in ("title", "style"):
            self._raw = []
        elif not self._unread:
            self._open(tag, attributes)

    def end(self, tag: str) -> None:
        """Handle an end tag; libxml2 gives one for every start tag."""
        self._depth -= 1
        if tag not in VOID:
            self._hidden.end(tag)
        if tag in ("title", "style") and self._raw is not None:
            raw = "".join(self._raw)
            self._raw = None
            if tag == "style":
                self._hidden.add_style_sheet(raw)
            else:
                self.title = self.title or " ".join(raw.split())
        if tag in UNREAD:
            self._unread = max(0, self._unread - 1)
        elif not self._unread:
            self._close(tag)

    def data(self, text: str) -> None:
        """Handle text between tags."""
        if self._raw is not None:
            self._raw.append(text)
        elif self._unread:
            return
        elif self._hidden.active:
            if text.strip():
                self.flags[Flag.HIDDEN_TEXT] += 1
        else:
            self._words.append(text)

    def comment(self, text: str) -> None:
        """Count a comment, which is never indexed. An XML declaration arrives as one and is not counted."""
        if text.strip() and not text.startswith("?xml"):
            self.flags[Flag.HIDDEN_TEXT] += 1

    def close(self) -> None:
        """Handle the end of the page."""
        self._flush()
        self._emit_list()
        self._emit_table()

    def _open(self, tag: str, attributes: Mapping[str, str]) -> None:
        if tag == "br":
            self._words.append("\n" if self._preformatted else "\x00")
        elif tag == "img" and not self._hidden.active:
            self._words.append(attributes.get("alt") or "")
        elif tag in ("td", "th") and self._tables == 1:
            self._words = []
        elif tag == "tr" and self._tables == 1:
            self._rows.append([])
        elif tag == "table":
            self._flush()
            self._emit_list()
            self._tables += 1
        elif tag in ("ul", "ol", "menu"):
            self._flush()
            self._lists.append(0 if tag == "ol" else -1)
        elif tag in _HEADINGS or tag in _BLOCKS or tag in ("li", "pre"):
            self._flush()
            if tag == "li":
                self._begin_item()
            self._heading = _HEADINGS.get(tag, self._heading)
            self._preformatted += tag == "pre"

    def _close(self, tag: str) -> None:
        if tag in ("td", "th") and self._tables == 1:
            if self._rows:
                self._rows[-1].append(" ".join(self._take().split()))
        elif tag == "table" and self._tables:
            self._tables -= 1
            if not self._tables:
                self._emit_table()
        elif tag in ("ul", "ol", "menu") and self._lists:
            self._flush()
            self._lists.pop()
            if not self._lists:
                self._emit_list()
        elif tag in _HEADINGS or tag in _BLOCKS or tag in ("li", "pre"):
            self._flush()
            if tag in _HEADINGS:
                self._heading = 0
            self._preformatted = max(0, self._preformatted - (tag == "pre"))

    def _begin_item(self) -> None:
        if not self._lists:
            self._lists.append(-1)  # an item outside a list
        marker = "-"
        if self._lists[-1] >= 0:
            self._lists[-1] += 1
            marker = f"{self._lists[-1]}."
        self._list_lines.append(f"{self._indent(-1)}{marker} ")

    def _indent(self, extra: int = 0) -> str:
        return "  " * (len(self._lists) + extra)

    def _take(self) -> str:
        text = "".join(self._words)
        self._words = []
        if self._preformatted:
            return text.strip("\n")
        return "\n".join(" ".join(line.split()) for line in text.split("\x00")).strip()

    def _flush(self) -> None:
        """Turn the collected words into a block or a part of the open list; in a table cell go on collecting."""
        if self._tables:
            self._words.append(" ")
            return
        text = self._take()
        if not text.strip():
            return
        if self._lists:
            self._add_to_list(text)
        elif self._heading:
            self.blocks.append(Block(BlockKind.HEADING, " ".join(text.rstrip("¶").split()), self._heading))
        else:
            kind = BlockKind.CODE if self._preformatted else BlockKind.PARAGRAPH
            self.blocks.append(Block(kind, text))

    def _add_to_list(self, text: str) -> None:
        text = text.rstrip().replace("\n", "\n" + self._indent())
        if self._list_lines and self._list_lines[-1].endswith(" "):
            self._list_lines[-1] += text  # after its marker
        else:
            self._list_lines.append(self._indent() + text)

    def _emit_list(self) -> None:
        lines = [line for line in self._list_lines if line.strip(" -")]
        self._list_lines = []
        if lines:
            self.blocks.append(Block(BlockKind.LIST, "\n".join(lines)))

    def _emit_table(self) -> None:
        rows = [" | ".join(row) for row in self._rows if any(row)]
        self._rows = []
        self._tables = 0
        if rest := self._take():
            self.blocks.append(Block(BlockKind.PARAGRAPH, rest))
        if rows:
            self.blocks.append(Block(BlockKind.TABLE, "\n".join(rows)))
