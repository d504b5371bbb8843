"""Answers with a quoted sentence behind them, in the form that `training_set.raft_quote` teaches."""

import re
from dataclasses import dataclass

_MIN_WORDS = 4
"""Fewer words in quotation marks are a name in brackets and not a sentence."""

_QUOTED = re.compile(r'(?P<value>.*\S)\s*\("(?P<quote>.+)"\)\.?\s*', re.DOTALL)


@dataclass(frozen=True, slots=True)
class QuotedAnswer:
    """The two parts of an answer, each judged separately; `quote` is None if the model gave none."""

    value: str
    quote: str | None = None


def join_quote(value: str, quote: str) -> str:
    """Return the answer in the form that training teaches."""
    return f'{value} ("{quote}")'


def split_quote(text: str) -> QuotedAnswer:
    """Return the parts of an answer; this inverts `join_quote` if the quote is a sentence."""
    found = _QUOTED.fullmatch(text)
    if found is None or len(found["quote"].split()) < _MIN_WORDS:
        return QuotedAnswer(text)
    return QuotedAnswer(found["value"], found["quote"])
