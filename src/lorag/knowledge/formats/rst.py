"""reStructuredText by docutils; what Sphinx adds keeps its text. No file is included, and no raw output is made."""

import re
import textwrap
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.parsed import Limits, ParsedDocument, choose_title

_DIRECTIVE = re.compile(r"(?m)^[ \t]*\.\.[ \t]+(?:\|[^|\n]+\|[ \t]+)?([A-Za-z][\w.:+-]*?)[ \t]?::(?=\s|$)")
_ROLE = re.compile(r":([A-Za-z][\w.:+-]*):(?=`)|(?<=`):([A-Za-z][\w.:+-]*):")
_TITLED_TARGET = re.compile(r"(.+?)\s*<[^<>]+>$", re.DOTALL)
# Left out, also where docutils knows them: they read files or other pages, list pages, or give today's date.
_NAVIGATION = {"toctree", "include", "literalinclude", "raw", "date", "index", "contents", "meta"}
_CODE = {"code", "code-block", "sourcecode", "parsed-literal", "prompt", "testcode", "doctest"}
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
    _register_unknown(decoded.text)
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
            blocks += [Block(BlockKind.PARAGRAPH, _text(title)) for title in node.findall(nodes.title)]
            blocks.append(Block(BlockKind.TABLE, "\n".join(_rows(node))))
        elif isinstance(node, nodes.definition_list | nodes.option_list | nodes.field_list):
            blocks.append(Block(BlockKind.LIST, "\n".join(_entries(node))))
        elif isinstance(node, nodes.system_message):
            _read_refused(node, blocks)
        elif isinstance(node, nodes.Invisible | nodes.docinfo | nodes.raw | nodes.image):
            continue
        elif isinstance(node, nodes.line_block):
            blocks.append(Block(BlockKind.PARAGRAPH, node.astext()))
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
    from docutils import nodes

    return "".join(str(text) for text in node.findall(nodes.Text)).replace("\n", " ")


def _nested_lines(node: Any) -> list[str]:
    blocks: list[Block] = []
    _read(node.children, blocks, 0)
    return [line for block in blocks for line in block.text.split("\n")] or [""]


def _list_lines(node: Any) -> list[str]:
    from docutils import nodes

    lines: list[str] = []
    first = int(node.get("start", 1))
    for number, item in enumerate(node.children, start=first):
        marker = f"{number}. " if isinstance(node, nodes.enumerated_list) else "- "
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


def _rows(table: Any) -> list[str]:
    from docutils import nodes

    return [
        " | ".join(" ".join(entry.astext().split()) for entry in row.findall(nodes.entry))
        for row in table.findall(nodes.row)
    ]


def _register_unknown(text: str) -> None:
    """Make docutils keep the text of roles and directives that it does not know, instead of an error message."""
    from docutils.parsers.rst import directives, roles
    from docutils.parsers.rst.languages import get_language
    from docutils.utils import new_document

    document = new_document("")
    english: Any = get_language("en")
    for name in _NAVIGATION:
        directives.register_directive(name, _directive_class(_leave_out))
    for name in _CODE:
        directives.register_directive(name, _directive_class(_keep_code))
    for name in {name.lower() for name in _DIRECTIVE.findall(text)}:
        if directives.directive(name, english, document)[0] is None:
            directives.register_directive(name, _directive_class(_keep_text))
    for before, after in set(_ROLE.findall(text)):
        name = (before or after).lower()
        if roles.role(name, english, 0, document.reporter)[0] is None:
            roles.register_local_role(name, _read_role)


def _read_role(
    name: str, rawtext: str, text: str, lineno: int, inliner: Any, options: Any = None, content: Any = ()
) -> tuple[list[Any], list[Any]]:
    """Return the text of an unknown role: `title` of `title <target>`, a cross-reference without its sign."""
    from docutils import nodes
    from docutils.utils import unescape

    plain = unescape(text)
    titled = _TITLED_TARGET.match(plain)
    return [nodes.inline(rawtext, titled[1] if titled else plain.lstrip("~!"))], []


def _leave_out(directive: Any) -> list[Any]:
    return []


def _keep_code(directive: Any) -> list[Any]:
    from docutils import nodes

    return [nodes.literal_block("", "\n".join(directive.content))]


def _keep_text(directive: Any) -> list[Any]:
    from docutils import nodes

    container = nodes.container()
    if directive.arguments:
        argument = " ".join(directive.arguments[0].split())
        parsed, _ = directive.state.inline_text(argument, directive.lineno)
        container += nodes.paragraph("", "", *parsed)
    directive.state.nested_parse(directive.content, directive.content_offset, container)
    return [container]


@cache
def _directive_class(read: Callable[[Any], list[Any]]) -> type[Any]:
    """Return a directive that takes any argument, options and content, and returns the result of `read`."""
    from docutils.parsers.rst import Directive

    class AnyDirective(Directive):
        has_content = True
        optional_arguments = 1
        final_argument_whitespace = True
        option_spec = defaultdict(lambda: str, {"class": str})

        def run(self) -> Sequence[Any]:
            return read(self)

    return AnyDirective
