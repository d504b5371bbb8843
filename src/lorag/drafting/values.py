"""The checkable value of a sentence: a quantity, a date, a version, an identifier, quoted words or a name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lorag.answering.support import quantities
from lorag.answering.words import content_words
from lorag.questions.words import find_words, occurrences, states


class ValueKind(StrEnum):
    """What a value is; where several kinds fit the same words, the first one counts."""

    DATE = "date"
    QUANTITY = "quantity"
    VERSION = "version"
    IDENTIFIER = "identifier"
    QUOTED = "quoted"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Value:
    """A value as the sentence writes it, at `start:end` of the sentence."""

    kind: ValueKind
    text: str
    start: int
    end: int


_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_NUMBER = r"(?<![\w.,:/#-])[$\u20ac\u00a3]?\d+(?:,\d{3})*(?:\.\d+)?(?![\d.,]*\d)"
_UNIT = (
    r"(?:milliseconds?|seconds?|secs?|minutes?|mins?|hours?|days?|weeks?|months?|years?|ms|percent|bytes?|[kKMGT]i?B|"
    r"metres?|meters?|kilometres?|km|cm|mm|miles?|feet|kg|kilograms?|grams?|tonnes?|litres?|liters?|degrees?|"
    r"euros?|dollars?|pounds?|knots?|watts?|kW|MW|kWh|Hz|times)\b|%|\u00b0C?|\u20ac"
)
_PATTERNS: tuple[tuple[ValueKind, re.Pattern[str]], ...] = (
    (
        ValueKind.DATE,
        re.compile(
            rf"\b(?:\d{{1,2}} (?:{_MONTHS})(?: \d{{4}})?|(?:{_MONTHS}) \d{{1,2}}(?:, \d{{4}})?|(?:{_MONTHS}) \d{{4}}"
            r"|\d{4}-\d\d-\d\d)\b"
        ),
    ),
    (
        ValueKind.DATE,
        re.compile(r"(?<![\w:.])(?:\d{1,2}:\d\d(?: ?[ap]\.?m\b)?|\d{1,2}\.\d\d ?[ap]\.?m\b)(?![\w:]|\.\d)"),
    ),
    (ValueKind.VERSION, re.compile(r"(?<![\w.])v\d+(?:\.\d+)+(?:-\w+)?\b|(?<=[Vv]ersion )\d+(?:\.\d+)+\b")),
    (ValueKind.QUANTITY, re.compile(rf"{_NUMBER}(?:[ -]?(?:{_UNIT}))?(?![\w/])(?! ?[A-Za-z]+/\w)")),
    (ValueKind.QUOTED, re.compile(r"[\"\u201c](?P<value>[^\"\u201c\u201d]{2,40})[\"\u201d]")),
    (ValueKind.QUOTED, re.compile(r"(?<!\w)'(?P<value>[^']{2,40})'(?!\w)")),
    (
        ValueKind.IDENTIFIER,
        re.compile(
            r"(?<![\w/.:-])(?:--[a-z][\w-]+|[A-Z][A-Z\d]*(?:_[A-Z\d]+)+|[a-z]\w*_\w+|[a-z]+(?:[A-Z][a-z\d]*)+|"
            r"[A-Z][a-z\d]+(?:[A-Z][a-z\d]+)+|[a-z][\w-]*(?:[./][a-z][\w-]*){1,4}|/[\w-]+(?:/[\w.-]+)+)(?![\w/:-])"
        ),
    ),
    (
        ValueKind.NAME,
        re.compile(r"(?<![\w.-])[A-Z][\w'\u2019-]*(?: (?:(?:of|de|van|von|the) )?[A-Z][\w'\u2019-]*){0,4}"),
    ),
)
"""The last one also finds the first word of a sentence, which `_is_worth` refuses."""

_LONGEST = 6
_ABBREVIATIONS = frozenset(("e.g", "i.e"))
_NO_NAMES = frozenset(
    "i note the a an this that these those if when it in on for by you we optional required default".split()
)


def find_values(sentence: str, context: str) -> list[Value]:
    """Return the values of a sentence that a question about it can ask for, in the order of their kinds.

    A value stands once in the sentence and not in `context`, the headings above it, which a question may name.
    """
    taken: list[tuple[int, int]] = []
    found = []
    for value in _matches(sentence):
        if any(value.start < end and start < value.end for start, end in taken):
            continue
        taken.append((value.start, value.end))
        if _is_worth(value, sentence, context):
            found.append(value)
    return found


def same_kind(sentence: str, kind: ValueKind) -> bool:
    """Whether a sentence holds any value of this kind, which could be another answer to a question."""
    return any(value.kind is kind for value in _matches(sentence))


def _matches(sentence: str) -> Iterator[Value]:
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(sentence):
            group = "value" if "value" in pattern.groupindex else 0
            yield Value(kind, match[group], match.start(group), match.end(group))


def _is_worth(value: Value, sentence: str, context: str) -> bool:
    words = find_words(value.text)
    if not words or len(words) > _LONGEST or states(context, value.text) or not content_words(value.text):
        return False
    if len(list(occurrences(sentence, value.text))) != 1:
        return False
    if value.kind is ValueKind.QUANTITY:
        return bool(quantities(value.text))
    if value.kind is ValueKind.NAME:
        # The first word of a sentence, and of what a colon, a dash or a bracket begins, has a capital whatever it is.
        inside = re.search(r"[\w,'\u2019] $", sentence[: value.start])
        lone = len(words) == 1
        return bool(inside) and words[0].text not in _NO_NAMES and not (lone and len(value.text) < 4)
    # Two letters on each side of a slash are a unit or a pair.
    return value.text not in _ABBREVIATIONS and not re.fullmatch(r"\w{1,2}/\w{1,2}", value.text)
