"""Markdown and MDX by markdown-it: top-level tokens become blocks, inline markup becomes readable text."""

import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.front_matter import split_front_matter
from lorag.knowledge.formats.hidden import UNREAD, HiddenElements, attributes_of
from lorag.knowledge.formats.html import read_html
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, Quarantine, choose_title
from lorag.knowledge.formats.plain import split_blocks
from lorag.knowledge.formats.shortcodes import strip_jsx, strip_shortcodes

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

# A full parse of more than this takes too long; such files are generated and simple.
_MAX_LINES = 50_000
_MAX_CHARACTERS = 2_000_000
_ATTRIBUTES = re.compile(r"\s*\{[#.:][^{}]*\}\s*$")


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a Markdown page with YAML or TOML front matter; Hugo shortcodes give their text."""
    return _parse(data, limits, mdx=False)


def parse_mdx(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse an MDX page: as Markdown, without imports, exports and JSX tags."""
    return _parse(data, limits, mdx=True)


def _parse(data: bytes, limits: Limits, *, mdx: bool) -> ParsedDocument:
    decoded = decode_text(data)
    front = split_front_matter(decoded.text)
    flags = Counter(decoded.flags)
    if front.problem:
        flags[Flag.BAD_METADATA] += 1
    body = strip_shortcodes(front.body)
    if mdx:
        body, comments = strip_jsx(body)
        flags[Flag.HIDDEN_TEXT] += comments
    if len(body) > _MAX_CHARACTERS or body.count("\n") > _MAX_LINES:
        blocks = split_blocks(body)
    else:
        page = _Page(limits, mdx=mdx)
        page.read(page.tokens(body))
        blocks = tuple(page.blocks)
        flags += page.flags
    if not blocks and (lead := front.metadata.get("description") or front.title):
        # Generated pages (a shortcode and nothing else) say what they are about in the front matter alone.
        blocks = (Block(BlockKind.PARAGRAPH, lead),)
    notes = (front.problem,) if front.problem else ()
    return ParsedDocument(choose_title(front.title, blocks), blocks, front.metadata, +flags, notes)


@cache
def _markdown(max_nesting: int, *, mdx: bool) -> "MarkdownIt":
    from markdown_it import MarkdownIt

    markdown = MarkdownIt("commonmark", {"maxNesting": max_nesting}).enable(["table", "strikethrough"])
    # MDX has no indented code: there the indentation belongs to JSX.
    return markdown.disable("code") if mdx else markdown


class _HtmlTags(HTMLParser):
    """A follower of raw HTML across Markdown blocks: what it hides stays hidden until its end tag."""

    def __init__(self, flags: Counter[Flag]) -> None:
        super().__init__(convert_charrefs=True)
        self._hidden = HiddenElements()
        self._unread: list[str] = []
        self._flags = flags

    @property
    def hides(self) -> bool:
        return self._hidden.active or bool(self._unread)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden.start(tag, attributes_of(attrs))
        if tag in UNREAD:
            self._unread.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Ignore the tag: an element without content hides nothing."""

    def handle_endtag(self, tag: str) -> None:
        self._hidden.end(tag)
        if tag in self._unread:
            self._unread.remove(tag)


class _Page:
    """A reader that turns the tokens of one page into blocks."""

    def __init__(self, limits: Limits, *, mdx: bool) -> None:
        self.blocks: list[Block] = []
        self.flags: Counter[Flag] = Counter()
        self._limits = limits
        self._mdx = mdx
        self._tags = _HtmlTags(self.flags)

    def tokens(self, text: str) -> "list[Token]":
        tokens = _markdown(self._limits.max_depth, mdx=self._mdx).parse(text)
        # At this level the parser silently leaves out what is nested deeper.
        if any(token.level >= self._limits.max_depth - 1 for token in tokens):
            raise Quarantine(Reason.TOO_DEEP, f"blocks nest deeper than {self._limits.max_depth}")
        return tokens

    def read(self, tokens: "list[Token]") -> None:
        """Add a block for each top-level token; quotations give the blocks inside them."""
        position = 0
        while position < len(tokens):
            token = tokens[position]
            end = _end_of(tokens, position)
            inner = tokens[position + 1 : end]
            position = end + 1
            if token.type == "heading_open":
                text = _ATTRIBUTES.sub("", self._inline(inner[0]))
                self._add(BlockKind.HEADING, " ".join(text.split()), int(token.tag[1]))
            elif token.type == "paragraph_open":
                self._add(BlockKind.PARAGRAPH, self._inline(inner[0]))
            elif token.type in ("bullet_list_open", "ordered_list_open"):
                self._add(BlockKind.LIST, "\n".join(self._list_lines(token, inner)))
            elif token.type in ("fence", "code_block"):
                self._add(BlockKind.CODE, token.content.rstrip("\n"))
            elif token.type == "table_open":
                self._add(BlockKind.TABLE, "\n".join(self._rows(inner)))
            elif token.type == "blockquote_open":
                self.read(inner)
            elif token.type == "html_block":
                for block in self._html(token.content):
                    self.blocks.append(block)

    def _add(self, kind: BlockKind, text: str, level: int = 0) -> None:
        if not text.strip():
            return
        if self._tags.hides:
            self.flags[Flag.HIDDEN_TEXT] += 1
        else:
            self.blocks.append(Block(kind, text, level))

    def _html(self, source: str) -> list[Block]:
        """Return the visible blocks of raw HTML; tags that it leaves open also apply to what follows."""
        hidden_before = self._tags.hides
        self._tags.feed(source)
        if "<!--" in source and "-->" not in source:
            # CommonMark ends the block with the page, so it does no harm that the HTML parser still waits for the end.
            self.flags[Flag.HIDDEN_TEXT] += 1
            return []
        if hidden_before:
            self.flags[Flag.HIDDEN_TEXT] += 1
            return []
        page = read_html(source, self._limits)
        self.flags += page.flags
        return page.blocks

    def _list_lines(self, opening: "Token", tokens: "list[Token]") -> list[str]:
        lines: list[str] = []
        position = 0
        while position < len(tokens):
            item = tokens[position]
            end = _end_of(tokens, position)
            marker = f"{item.info}{item.markup} " if opening.type == "ordered_list_open" else "- "
            inner = self._nested_lines(tokens[position + 1 : end]) or [""]
            lines.append(f"{marker}{inner[0]}".rstrip())
            lines += [f"{' ' * len(marker)}{line}".rstrip() for line in inner[1:]]
            position = end + 1
        return lines

    def _nested_lines(self, tokens: "list[Token]") -> list[str]:
        """Return the blocks inside a list item as lines."""
        page = _Page(self._limits, mdx=self._mdx)
        page.flags, page._tags = self.flags, self._tags
        page.read(tokens)
        return [line for block in page.blocks for line in block.text.split("\n")]

    def _rows(self, tokens: "list[Token]") -> list[str]:
        rows: list[list[str]] = []
        for token in tokens:
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "inline":
                rows[-1].append(" ".join(self._inline(token).split()))
        return [" | ".join(row) for row in rows]

    def _inline(self, token: "Token") -> str:
        if self._tags.hides:
            return token.content  # counted when the block is added
        parts: list[str] = []
        for child in token.children or []:
            if child.type == "html_inline":
                self._inline_html(child.content, parts)
            elif self._tags.hides:
                self.flags[Flag.HIDDEN_TEXT] += bool(child.content.strip())
            elif child.type in ("text", "code_inline", "text_special", "image"):
                parts.append(child.content)
            elif child.type == "softbreak":
                parts.append(" ")
            elif child.type == "hardbreak":
                parts.append("\n")
        return "".join(parts)

    def _inline_html(self, source: str, parts: list[str]) -> None:
        if source.startswith("<!--"):
            self.flags[Flag.HIDDEN_TEXT] += 1
            return
        self._tags.feed(source)
        if source[:3].lower() == "<br":
            parts.append("\n")


def _end_of(tokens: "list[Token]", start: int) -> int:
    """Return the index of the token that closes the one at `start`; `start` itself for one without content."""
    if tokens[start].nesting != 1:
        return start
    level = tokens[start].level
    return next(index for index in range(start + 1, len(tokens)) if tokens[index].level == level)
