"""The text of a PDF page as its file writes it: raised and lowered text, and words cut at the end of a line."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lorag.knowledge.documents import Block
from lorag.knowledge.formats.raised import lowered, raised

_SMALLER = 0.92
"""Raised and lowered text is at most this large, as a share of the text before it."""

_LEAST_SHIFT, _MOST_SHIFT = 0.08, 0.8
"""How far it is from the line of the text before it, as shares of that text's size."""

_WORD = re.compile(r"\w[\w-]*\w|\w")
_CUT = re.compile(r"(\w+(?:-\w+)*) ?([-\u2010\u00ad]) *\n *([^\W\d_]\w*)")


@dataclass(frozen=True, slots=True)
class PageTable:
    """A table of a page: its box as left, bottom, right and top in points, and its block."""

    box: tuple[float, float, float, float]
    block: Block


@dataclass(frozen=True, slots=True)
class PageText:
    """The text of a page in the order of the file, with its tables between."""

    parts: tuple[str | Block, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    x: float
    y: float
    size: float


def read_page(page: Any, tables: Sequence[PageTable]) -> PageText:
    """Return the text of a pypdf page; a table stands where its first words do."""
    pieces: list[_Piece] = []

    def keep(text: str, matrix: Sequence[float], text_matrix: Sequence[float], font: object, size: float) -> None:
        if text:
            pieces.append(_place(text, matrix, text_matrix, size))

    page.extract_text(visitor_text=keep)
    parts: list[str | Block] = []
    waiting = list(tables)
    run: list[_Piece] = []
    for piece in pieces:
        table = next((item for item in tables if _is_inside(piece, item.box)), None) if piece.text.strip() else None
        if table is None:
            run.append(piece)
        elif table in waiting:
            waiting.remove(table)
            parts += [_join(run), table.block]
            run = []
    return PageText((*parts, _join(run)))


def join_cut_words(texts: Sequence[str]) -> list[str]:
    """Return the texts with words that a line end cut in two put together.

    A hyphen at the end of a line stays where the document writes the word with it elsewhere, and the word without it
    nowhere.
    """
    counts = _count_words(texts)

    def join(match: re.Match[str]) -> str:
        first, sign, second = match.groups()
        if not second[0].islower() or not first[-1].isalpha():
            return match[0]
        whole, hyphened = f"{first}{second}", f"{first}-{second}"
        keeps = sign == "-" and counts[hyphened.casefold()] > 0 and not counts[whole.casefold()]
        return hyphened if keeps else whole

    return [_CUT.sub(join, text) for text in texts]


def _count_words(texts: Iterable[str]) -> Counter[str]:
    return Counter(word.casefold() for text in texts for word in _WORD.findall(text))


def _place(text: str, matrix: Sequence[float], text_matrix: Sequence[float], size: float) -> _Piece:
    """Return the piece with its place on the page: pypdf gives the page's matrix and the text's."""
    a, b, c, d, e, f = matrix
    x = a * text_matrix[4] + c * text_matrix[5] + e
    y = b * text_matrix[4] + d * text_matrix[5] + f
    scale = abs(text_matrix[3] or text_matrix[0]) * abs(d or a)
    return _Piece(text, x, y, abs(size) * scale)


def _is_inside(piece: _Piece, box: tuple[float, float, float, float]) -> bool:
    left, bottom, right, top = box
    return left - 1 <= piece.x <= right + 1 and bottom - 1 <= piece.y <= top + 1


def _join(pieces: Sequence[_Piece]) -> str:
    """Return the text of pieces that follow each other."""
    text = small = ""
    way = 0  # 1 while text is raised, -1 while it is lowered
    line: _Piece | None = None  # the last piece that stands on the line itself
    for piece in pieces:
        shift = _shift(piece, line) if line is not None and not text.endswith("\n") else 0
        if shift != way:
            text, small, way = text + _write(small, text, way), "", shift
        if shift:
            small += piece.text
            continue
        text += piece.text
        if piece.text.strip():
            line = piece
    return text + _write(small, text, way)


def _write(small: str, before: str, way: int) -> str:
    return raised(small, before) if way > 0 else lowered(small, before) if way < 0 else small


def _shift(piece: _Piece, line: _Piece) -> int:
    """Return 1 for a smaller piece above the line, -1 for one below it, else 0."""
    if not piece.text.strip() or "\n" in piece.text.strip() or not line.size or piece.size > line.size * _SMALLER:
        return 0
    shift = (piece.y - line.y) / line.size
    if not _LEAST_SHIFT < abs(shift) < _MOST_SHIFT:
        return 0
    return 1 if shift > 0 else -1
