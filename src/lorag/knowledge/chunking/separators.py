"""The places where a text may be cut, from coarse to fine; each function gives ascending starts of pieces."""

import re
from collections.abc import Callable, Iterable

Separator = Callable[[str], Iterable[int]]

_LINE_END = re.compile(r"\n\s*")
_CODE_LINE_END = re.compile(r"\n")
_CODE_BLANK_LINE = re.compile(r"\n[ \t]*\n(?=[ \t]*\S)")
_WORD = re.compile(r"\S+")
_LIST_ITEM = re.compile(r"^([ \t]*)(?:[-*+•]|\(?(?:\d{1,9}|[A-Za-z])[.)])(?=\s)", re.MULTILINE)


def line_starts(text: str) -> Iterable[int]:
    """Return the positions after each line break and the blanks that follow it."""
    return (match.end() for match in _LINE_END.finditer(text))


def code_line_starts(text: str) -> Iterable[int]:
    """Return the positions after each line break; the indentation belongs to the line."""
    return (match.end() for match in _CODE_LINE_END.finditer(text))


def code_paragraph_starts(text: str) -> Iterable[int]:
    """Return the positions after blank lines; the indentation belongs to the text that follows."""
    return (match.end() for match in _CODE_BLANK_LINE.finditer(text))


def word_starts(text: str) -> Iterable[int]:
    """Return the positions of the words."""
    # A pattern that starts at blanks and looks for the next word takes quadratic time on a million blanks.
    return (match.start() for match in _WORD.finditer(text))


def item_starts(text: str) -> Iterable[int]:
    """Return the positions of the markers at the outermost level of a list."""
    markers = [(len(match[1].expandtabs(4)), match.start()) for match in _LIST_ITEM.finditer(text)]
    outermost = min((indent for indent, _ in markers), default=0)
    return [start for indent, start in markers if indent == outermost]
