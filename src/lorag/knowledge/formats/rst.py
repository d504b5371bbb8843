"""reStructuredText by docutils; what Sphinx adds keeps its text. No file is included, and no raw output is made."""

import re
import textwrap
from collections.abc import Sequence
from typing import Any

from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.markers import marker_of
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, choose_title
from lorag.knowledge.formats.raised import lowered, raised
from lorag.knowledge.formats.rst_directives import register_unknown
from lorag.knowledge.formats.tables import Cell, one_line, table_text

_ENUMERATION = {"loweralpha": "a", "upperalpha": "A", "lowerroman": "i", "upperroman": "I"}
_OPTION = re.compile(r"[ \t]+:[\w-]+:")
_SETTINGS = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "report_level": 5,
    "halt_level": 5,
    "warning_stream": False,
    "traceback": True,
    "smart_quotes": False,
    "doctitle_xform": False,
    "docinfo_xform": True,
}


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a reStructuredText page; its field list at the top becomes metadata."""
    from docutils import nodes
    from docutils.core import publish_doctree

    decoded = decode_text(data)
    register_unknown(decoded.text)
    settings = {**_SETTINGS, "line_length_limit": limits.max_characters}
    tree = publish_doctree(decoded.text, settings_overrides=settings)
    blocks: list[Block] = []
    _read(tree.children, blocks, 0)
    metadata: dict[str, str] = {}
    for info in tree.findall(nodes.docinfo):
        for entry in info.children:
            is_field = isinstance(entry, nodes.field)
            name = entry.children[0].astext() if is_field else type(entry).__name__
            metadata[name] = entry.children[-1].astext()
    return ParsedDocument(choose_title("", blocks), tuple(blocks), metadata, decoded.flags)


def _read(children: Sequence[Any], blocks: list[Block], level: int) -> None:
    """Add a block for each visible body element; containers give the blocks inside them."""
    from docutils import nodes

    for node in children:
        if isinstance(node, nodes.section):
            _read(node.children, blocks, level + 1)
        elif isinstance(node, nodes.title | nodes.subtitle | nodes.rubric):
            blocks.append(Block(BlockKind.HEADING, _text(node), min(max(level, 1), 6)))
        elif isinstance(node, nodes.literal_block | nodes.doctest_block | nodes.math_block):
            blocks.append(Block(BlockKind.CODE, node.astext()))
        elif isinstance(node, nodes.bullet_list | nodes.enumerated_list):
            blocks.append(Block(BlockKind.LIST, "\n".join(_list_lines(node))))
        elif isinstance(node, nodes.table):
            titles = [child for child in node.children if isinstance(child, nodes.title)]
            blocks += [Block(BlockKind.PARAGRAPH, _text(title)) for title in titles]
            blocks.append(Block(BlockKind.TABLE, _rows(node)))
        elif isinstance(node, nodes.definition_list | nodes.option_list | nodes.field_list):
            blocks.append(Block(BlockKind.LIST, "\n".join(_entries(node))))
        elif isinstance(node, nodes.system_message):
            _read_refused(node, blocks)
        elif isinstance(node, nodes.Invisible | nodes.docinfo | nodes.raw | nodes.image):
            continue
        elif isinstance(node, nodes.line_block):
            blocks.append(Block(BlockKind.PARAGRAPH, node.astext()))
        elif isinstance(node, nodes.footnote | nodes.citation):
            label, *rest = node.children
            blocks.append(Block(BlockKind.PARAGRAPH, f"[{_text(label)}] " + "\n".join(_lines(rest))))
        elif isinstance(node, nodes.TextElement):
            blocks.append(Block(BlockKind.PARAGRAPH, _text(node)))
        elif isinstance(node, nodes.Element):
            _read(node.children, blocks, level)


def _read_refused(message: Any, blocks: list[Block]) -> None:
    """Add the content of a directive that docutils refused, mostly for an option that only Sphinx has."""
    from docutils import nodes

    for source in message.findall(nodes.literal_block):
        lines = [line for line in source.astext().split("\n")[1:] if not _OPTION.match(line)]
        if text := textwrap.dedent("\n".join(lines)).strip("\n"):
            blocks.append(Block(BlockKind.PARAGRAPH, text))


def _text(node: Any) -> str:
    text = ""
    for child in node.children:
        text += _inline(child, text)
    return text.replace("\n", " ")


def _inline(node: Any, before: str) -> str:
    """Return what is written for a node behind the text `before`."""
    from docutils import nodes

    if isinstance(node, nodes.Text):
        return str(node.astext())
    if isinstance(node, nodes.superscript):
        return raised(_text(node), before)
    if isinstance(node, nodes.subscript):
        return lowered(_text(node), before)
    if isinstance(node, nodes.footnote_reference | nodes.citation_reference):
        return f"[{_text(node)}]"
    return _text(node)


def _nested_lines(node: Any) -> list[str]:
    return _lines(node.children)


def _lines(children: Sequence[Any]) -> list[str]:
    blocks: list[Block] = []
    _read(children, blocks, 0)
    return [line for block in blocks for line in block.text.split("\n")] or [""]


def _list_lines(node: Any) -> list[str]:
    from docutils import nodes

    lines: list[str] = []
    first = int(node.get("start", 1))
    style = _ENUMERATION.get(node.get("enumtype", ""), "1")
    for number, item in enumerate(node.children, start=first):
        marker = f"{marker_of(number, style)}. " if isinstance(node, nodes.enumerated_list) else "- "
        inner = _nested_lines(item)
        lines += [marker + inner[0], *(" " * len(marker) + line for line in inner[1:])]
    return lines


def _entries(node: Any) -> list[str]:
    """Return `term: text` lines for definitions, options and fields."""
    from docutils import nodes

    lines: list[str] = []
    for item in node.children:
        body = item.children[-1]
        inner = _nested_lines(body) if isinstance(body, nodes.Element) else [""]
        names = ", ".join(_text(name) for name in item.children[:-1])
        lines += [f"- {names}: {inner[0]}", *(f"  {line}" for line in inner[1:])]
    return lines


def _rows(table: Any) -> str:
    from docutils import nodes

    return table_text(
        [
            [_cell(entry) for entry in row.children if isinstance(entry, nodes.entry)]
            for row in table.findall(nodes.row)
            if _table_of(row) is table
        ]
    )


def _table_of(node: Any) -> Any:
    from docutils import nodes

    while not isinstance(node, nodes.table):
        node = node.parent
    return node


def _cell(entry: Any) -> Cell:
    blocks: list[Block] = []
    _read(entry.children, blocks, 0)
    return Cell(one_line(blocks), entry.get("morecols", 0) + 1, entry.get("morerows", 0) + 1)
