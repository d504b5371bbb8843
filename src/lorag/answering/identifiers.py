"""Identifiers that a question names, such as `cooldownPeriod`: only the whole one is the same."""

import re
from collections.abc import Sequence

from lorag.knowledge.chunking.sections import SEPARATOR

_NAMED = re.compile(r"`([^`\s]+)`|(?<![\w-])([a-z]+[a-z\d]*(?:[A-Z]\w*|_\w+)|--[a-z][\w-]*)(?![\w-])")
"""One word in backticks, one that begins small and has a capital or an underscore in it, or the option of a command.

GitHub is a plain name.
"""

_DOTTED = re.compile(r"(?<![\w.-])[a-z]\w+(?:\.[a-z]\w+)+(?![\w-])", re.IGNORECASE)

_ITEM = re.compile(r"\s*(?:[-*+\u2022|]|\(?\w{1,3}[.)])\s|.*\S \| \S")
_ENTRY = re.compile(
    r"[\s>|*+\u2022-]*?(?P<quote>[`\"']?)(?P<head>(?:--)?[\w][\w.-]*)(?P=quote)\s*(?:\([^()]*\)\s*)?[-\u2013\u2014:|](?=\s)"
)
"""The head of an entry, which a type or an alias may follow, up to the mark behind it."""

_IS_NAME = re.compile(r"[a-z][a-z\d]*(?:[A-Z]\w*|_\w+)")


def named_in(question: str) -> tuple[str, ...]:
    """Return the identifiers that a question names, without repeats, in their order."""
    return tuple(dict.fromkeys(quoted or written for quoted, written in _NAMED.findall(question)))


def dotted_in(question: str) -> tuple[str, ...]:
    """Return the names with a dot, such as `gc.auto`. Some are also written without: Node.js."""
    return tuple(dict.fromkeys(_DOTTED.findall(question)))


def states_name(text: str, name: str) -> bool:
    """Whether the text has the identifier as a whole: `initialCooldownPeriod` is not `cooldownPeriod`.

    Case does not count. A dot before it does not make it another one, as in `spec.cooldownPeriod`; nor does the mark of
    an option that can be negated, as in `--[no-]verify`.
    """
    whole = re.escape(name)
    if name.startswith("--"):
        whole = rf"--(?:\[no-\])?{re.escape(name[2:])}"
    return re.search(rf"(?<![\w-]){whole}(?![\w-])", text, re.IGNORECASE) is not None


def is_heading(headings: str, name: str) -> bool:
    """Whether the last of the headings is this identifier, so that all below it is about it."""
    return headings.rpartition(SEPARATOR)[2].strip("` ").casefold() == name.casefold()


def is_about_other(headings: str, named: Sequence[str]) -> bool:
    """Whether the last of the headings is an identifier, and none of these."""
    last = headings.rpartition(SEPARATOR)[2].strip("` ")
    return _IS_NAME.fullmatch(last) is not None and not any(is_heading(headings, name) for name in named)


def is_entry(text: str, name: str) -> bool:
    """Whether the text is the entry of this identifier in a list or a table: its name, a mark, and words about it."""
    return head_of(text) == name


def head_of(text: str) -> str:
    """Return the word that an entry begins with, such as `port` of `- port (integer): ...`; empty if it is none."""
    found = _ENTRY.match(text)
    return found["head"] if found else ""


def has_mark(text: str) -> bool:
    """Whether the text begins as an item of a list, a row of a table or an entry."""
    return _ITEM.match(text) is not None or bool(head_of(text))
