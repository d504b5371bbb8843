"""Plain text, and a light reader for Markdown-like text where a full parser would be too slow or too clever."""

import re
from collections.abc import Iterator

from lorag.knowledge.documents import Block, BlockKind
from lorag.knowledge.formats import rst
from lorag.knowledge.formats.decoding import decode_text
from lorag.knowledge.formats.parsed import Limits, ParsedDocument

_HEADING = re.compile(r"(#{1,6})[ \t]+(.+?)[ \t]*#*")
_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]+\S")
_TABLE_RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-{2,}[ \t:|-]*")


_UNDERLINED = re.compile(r"(?m)^(?P<title>\S.*)\n(?P<sign>[=\-~^\"'`*+#:.])(?P=sign){2,}[ \t]*$")
_OF_RESTRUCTURED_TEXT = re.compile(
    r"(?m)^[ \t]*\.\. (?:_[^\n]*:|[A-Za-z][\w:+-]*::)(?=\s|$)|:[a-z][\w:+-]*:`[^`\n]+`|(?<!`)``[^`\n]+``(?!`)"
)


def parse(data: bytes, limits: Limits) -> ParsedDocument:
    """Parse a text file: paragraphs between blank lines, with their line breaks kept.

    What has underlined headings and the signs of reStructuredText is read as that, as many write it in such files.
    """
    decoded = decode_text(data)
    if is_restructured(decoded.text):
        return rst.parse(data, limits)
    paragraphs = re.split(r"\n(?:[ \t]*\n)+", decoded.text)
    blocks = tuple(Block(BlockKind.PARAGRAPH, text) for text in paragraphs if text.strip())
    return ParsedDocument("", blocks, flags=decoded.flags)


def is_restructured(text: str) -> bool:
    """Whether a text is reStructuredText: a heading with a line under all of it, and a directive, role or literal."""
    lined = _UNDERLINED.finditer(text)
    has_heading = any(len(found[0]) - len(found["title"]) - 1 >= len(found["title"]) for found in lined)
    return has_heading and _OF_RESTRUCTURED_TEXT.search(text) is not None


def split_blocks(text: str) -> tuple[Block, ...]:
    """Split Markdown-like text into blocks at blank lines, `#` headings and code fences; inline markup stays."""
    blocks: list[Block] = []
    pending: list[str] = []
    lines = iter(text.split("\n"))
    for line in lines:
        if fence := _FENCE.match(line):
            blocks += _text_block(pending)
            pending = []
            blocks.append(Block(BlockKind.CODE, "\n".join(_until_close(lines, fence[1]))))
        elif heading := _HEADING.fullmatch(line):
            blocks += _text_block(pending)
            pending = []
            blocks.append(Block(BlockKind.HEADING, heading[2], len(heading[1])))
        elif line.strip():
            pending.append(line)
        elif pending:
            blocks += _text_block(pending)
            pending = []
    return tuple(blocks + _text_block(pending))


def _until_close(lines: Iterator[str], fence: str) -> Iterator[str]:
    for line in lines:
        bare = line.strip()
        if bare.startswith(fence) and not bare.strip(fence[0]):
            return
        yield line


def _text_block(lines: list[str]) -> list[Block]:
    if not lines:
        return []
    if _LIST_ITEM.match(lines[0]):
        return [Block(BlockKind.LIST, "\n".join(lines))]
    if len(lines) > 1 and "|" in lines[0] and _TABLE_RULE.fullmatch(lines[1]):
        rows = [" | ".join(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]
        return [Block(BlockKind.TABLE, "\n".join([rows[0], *rows[2:]]))]
    return [Block(BlockKind.PARAGRAPH, "\n".join(lines))]
