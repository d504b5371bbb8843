"""Markdown and MDX: rendered by markdown-it as a site would, and read as any page, so that raw HTML means the same."""

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from lorag.knowledge.documents import Block, BlockKind, Flag, Reason
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.front_matter import split_front_matter
from lorag.knowledge.formats.html import PageReader, read_html
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
_TAG = re.compile(r"</?([A-Za-z][\w.:-]*)([^<>]*)>")
# Elements that lxml's list of HTML 4 lacks.
_NEWER_TAGS = frozenset(
    "annotation circle dialog g line math menclose mfenced mfrac mi mn mo mover mpadded mroot mrow ms mspace msqrt"
    " mstyle msub msubsup msup mtable mtd mtext mtr munder munderover path picture rect rp rt ruby search semantics"
    " slot svg template text tspan".split()
)
# Attributes by which an element that HTML does not know can hide its text.
_HIDING = re.compile(r"\b(?:style|class|id|hidden)\b")


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a Markdown page with footnotes and YAML or TOML front matter; Hugo shortcodes give their text."""
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
        page = read_markdown(body, limits, mdx=mdx)
        blocks = tuple(page.blocks)
        flags += page.flags
    if not blocks and (lead := front.metadata.get("description") or front.title):
        # Generated pages (a shortcode and nothing else) say what they are about in the front matter alone.
        blocks = (Block(BlockKind.PARAGRAPH, lead),)
    notes = (front.problem,) if front.problem else ()
    return ParsedDocument(choose_title(front.title, blocks), blocks, front.metadata, +flags, notes)


def read_markdown(text: str, limits: Limits, *, mdx: bool = False) -> PageReader:
    """Return the blocks and flags of Markdown without front matter."""
    return read_html(_render(text, limits, mdx=mdx), limits, canvas_known=False)


def _render(text: str, limits: Limits, *, mdx: bool) -> str:
    """Return the page as HTML; raises Quarantine where blocks nest too deep."""
    markdown = _markdown(limits.max_depth, mdx=mdx)
    environment: dict[str, Any] = {}
    tokens = markdown.parse(text, environment)
    # At this level the parser silently leaves out what is nested deeper.
    if any(token.level >= limits.max_depth - 1 for token in tokens):
        raise Quarantine(Reason.TOO_DEEP, f"blocks nest deeper than {limits.max_depth}")
    known = _html_tags() | {name.lower() for name, attributes in _TAG.findall(text) if _HIDING.search(attributes)}

    def without_unknown(source: str) -> str:
        """Leave out tags such as `<name>`: they stand for values or types, and would never be closed."""
        return _TAG.sub(lambda tag: tag[0] if tag[1].lower() in known else "", source)

    for position, token in enumerate(tokens):
        if token.type == "heading_open" and (children := tokens[position + 1].children):
            if children[-1].type == "text":
                children[-1].content = _ATTRIBUTES.sub("", children[-1].content)
        elif token.type == "html_block":
            token.content = without_unknown(token.content)
        elif token.type == "footnote_reference_open" and tokens[position + 1].type == "paragraph_open":
            # Its first paragraph stands behind its mark.
            tokens[position + 1].hidden = tokens[position + 3].hidden = True
        for child in token.children or ():
            if child.type == "html_inline":
                child.content = without_unknown(child.content)
    return str(markdown.renderer.render(tokens, markdown.options, environment))


def _note_mark(renderer: Any, tokens: "Sequence[Token]", index: int, options: object, environment: object) -> str:
    return f"[{escape(tokens[index].meta['label'])}]"


def _note_start(renderer: Any, tokens: "Sequence[Token]", index: int, options: object, environment: object) -> str:
    return f"<div>[{escape(tokens[index].meta['label'])}] "


def _note_end(renderer: Any, tokens: object, index: int, options: object, environment: object) -> str:
    return "</div>"


@cache
def _html_tags() -> frozenset[str]:
    from lxml.html import defs

    return frozenset(defs.tags) | _NEWER_TAGS


@cache
def _markdown(max_nesting: int, *, mdx: bool) -> "MarkdownIt":
    from markdown_it import MarkdownIt
    from mdit_py_plugins.footnote import footnote_plugin

    markdown = MarkdownIt("commonmark", {"maxNesting": max_nesting}).enable(["table", "strikethrough"])
    # Notes stay where they are written: so one without a reference is read, too.
    markdown.use(footnote_plugin, inline=False, move_to_end=False)
    markdown.add_render_rule("footnote_ref", _note_mark)
    markdown.add_render_rule("footnote_reference_open", _note_start)
    markdown.add_render_rule("footnote_reference_close", _note_end)
    # MDX has no indented code: there the indentation belongs to JSX.
    return markdown.disable("code") if mdx else markdown
