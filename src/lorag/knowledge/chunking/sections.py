"""A document as sections: the blocks below one heading, with the path of headings that leads there."""

from collections.abc import Sequence
from dataclasses import dataclass

from lorag.knowledge.chunking.tokens import CHARACTERS_PER_TOKEN, Ruler
from lorag.knowledge.documents import Block, BlockKind, Document

SEPARATOR = " > "
CONTEXT_SHARE = 3
"""The context takes at most one third of a chunk."""


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks without headings, none of them blank, and the context of each chunk that is made of them."""

    context: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class _Heading:
    position: int
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class _RawSection:
    path: tuple[_Heading, ...]
    blocks: tuple[Block, ...]


def split_sections(document: Document, ruler: Ruler, max_tokens: int) -> list[Section]:
    """Return the document's sections in reading order, without those that have no text of their own.

    A heading that no context shows whole (there is nothing below it, or the path is too long) becomes the first
    paragraph of its section, so its words are not lost. A document of headings alone is one section with the headings
    as text.
    """
    raw = _raw_sections(document.blocks)
    title = _one_line(document.title)
    if not any(section.blocks for section in raw):
        headings = "\n".join(_one_line(section.path[-1].text) for section in raw if section.path)
        return [Section(_context([title], ruler, max_tokens)[0], (_paragraph(headings),))] if headings else []
    names = [_names(title, section.path) for section in raw]
    ruler.sizes([SEPARATOR.join(parts) for parts in names])
    contexts = [_context(parts, ruler, max_tokens) for parts in names]
    shown_by = _first_with_text_below(raw)
    sections = []
    for index, section in enumerate(raw):
        heading = _one_line(section.path[-1].text) if section.path else ""
        shower = shown_by[index]
        if heading and (shower is None or heading not in contexts[shower][1]):
            parents = (
                contexts[index] if section.blocks else _context(_names(title, section.path[:-1]), ruler, max_tokens)
            )
            sections.append(Section(parents[0], (_paragraph(heading), *section.blocks)))
        elif section.blocks:
            sections.append(Section(contexts[index][0], section.blocks))
    return sections


def _raw_sections(blocks: Sequence[Block]) -> list[_RawSection]:
    sections: list[_RawSection] = []
    path: tuple[_Heading, ...] = ()
    body: list[Block] = []
    for position, block in enumerate(blocks):
        if not block.text.strip():
            continue
        if block.kind is not BlockKind.HEADING:
            body.append(block)
            continue
        sections.append(_RawSection(path, tuple(body)))
        above = tuple(heading for heading in path if heading.level < block.level)
        path, body = (*above, _Heading(position, block.level, block.text)), []
    sections.append(_RawSection(path, tuple(body)))
    return sections


def _first_with_text_below(raw: Sequence[_RawSection]) -> list[int | None]:
    found: list[int | None] = [None] * len(raw)
    following: int | None = None
    for index in range(len(raw) - 1, -1, -1):
        path = raw[index].path
        following = index if raw[index].blocks else following
        if following is not None and raw[following].path[: len(path)] == path:
            found[index] = following
    return found


def _names(title: str, path: Sequence[_Heading]) -> list[str]:
    names = [_one_line(heading.text) for heading in path]
    return names if not title or names[:1] == [title] else [title, *names]


def _context(names: list[str], ruler: Ruler, max_tokens: int) -> tuple[str, frozenset[str]]:
    """Return the path as text, cut to its share of a chunk, and the names that it shows whole."""
    limit = max_tokens // CONTEXT_SHARE
    names = [name for name in names if name]
    while len(names) > 2 and ruler.size(SEPARATOR.join(names)) > limit:
        del names[1]
    context = SEPARATOR.join(names)
    if ruler.size(context) <= limit:
        return context, frozenset(names)
    last = _clip(names[-1], limit // 2 if len(names) > 1 else limit, ruler)
    first = _clip(names[0], limit - ruler.size(SEPARATOR + last), ruler) if len(names) > 1 else ""
    kept = [name for name in (first, last) if name]
    return SEPARATOR.join(kept), frozenset(kept).intersection(names)


def _clip(text: str, limit: int, ruler: Ruler) -> str:
    """Return as much of the start of a text as fits, in whole words if it has a blank; empty if nothing fits."""
    text = text[: max(limit, 0) * CHARACTERS_PER_TOKEN]
    while text and ruler.size(text) > limit:
        text = text[: int(ruler.token_starts(text)[limit])]
        text = (text.rpartition(" ")[0] or text).rstrip()
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _paragraph(text: str) -> Block:
    return Block(BlockKind.PARAGRAPH, text)
