"""Where a text may be cut, from coarse to fine; each function gives ascending positions at which a piece may start."""

import re
from collections.abc import Callable, Iterable

Separator = Callable[[str], Iterable[int]]

_SENTENCE_END = re.compile(
    r"(?<!\be\.g\.)(?<!\bi\.e\.)(?<!\bvs\.)(?<!\bcf\.)(?<=[.!?…])[\"'”’)\]*_`]{0,4}\s+(?=[^\sa-z])|[。！？]+\s*(?=\S)"
)
_LINE_END = re.compile(r"\n\s*")
_CODE_LINE_END = re.compile(r"\n")
_CODE_BLANK_LINE = re.compile(r"\n[ \t]*\n(?=[ \t]*\S)")
_WORD = re.compile(r"\S+")
_LIST_ITEM = re.compile(r"^([ \t]*)(?:[-*+•]|\(?(?:\d{1,9}|[A-Za-z])[.)])(?=\s)", re.MULTILINE)


def sentence_starts(text: str) -> Iterable[int]:
    """After `.`, `!` or `?`, a blank and anything but a lower-case letter."""
    return (match.end() for match in _SENTENCE_END.finditer(text))


def line_starts(text: str) -> Iterable[int]:
    """After each line break and the blanks behind it."""
    return (match.end() for match in _LINE_END.finditer(text))


def code_line_starts(text: str) -> Iterable[int]:
    """After each line break; the indentation belongs to the line."""
    return (match.end() for match in _CODE_LINE_END.finditer(text))


def code_paragraph_starts(text: str) -> Iterable[int]:
    """After blank lines; the indentation belongs to what follows."""
    return (match.end() for match in _CODE_BLANK_LINE.finditer(text))


def word_starts(text: str) -> Iterable[int]:
    """At each word."""
    # A pattern that looks from blanks for the word behind them takes quadratic time on a million blanks.
    return (match.start() for match in _WORD.finditer(text))


def item_starts(text: str) -> Iterable[int]:
    """At the markers of the outermost level of a list."""
    markers = [(len(match[1].expandtabs(4)), match.start()) for match in _LIST_ITEM.finditer(text)]
    outermost = min((indent for indent, _ in markers), default=0)
    return [start for indent, start in markers if indent == outermost]
