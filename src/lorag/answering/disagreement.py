"""Quotes of different pages that give different values for what was asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from lorag.answering.support import Quantity, quantities
from lorag.answering.words import content_words

_LEAST_SHARE = 0.75
"""The least share of the question's words that a quote, or the headings above it, must have to speak of the same."""


@dataclass(frozen=True, slots=True)
class QuotedFrom:
    """A quote, the document that it is from, and the headings above it."""

    document_id: str
    heading: str
    quote: str


def find_disagreement(question: str, quotes: Sequence[QuotedFrom]) -> tuple[int, int] | None:
    """Return the places of two quotes, from different documents, that give different values; None if none do.

    Both speak of what was asked, and each has numbers that neither the question nor the other one has, of one kind.
    Words that differ are not compared: other words may say the same.
    """
    asked = content_words(question)
    about = [each for each in enumerate(quotes) if _speaks_of(asked, each[1])]
    for at, (number, one) in enumerate(about):
        for other_number, other in about[at + 1 :]:
            if one.document_id != other.document_id and _differ(question, one.quote, other.quote):
                return number, other_number
    return None


def _speaks_of(asked: frozenset[str], each: QuotedFrom) -> bool:
    return len(asked & content_words(f"{each.heading}\n{each.quote}")) >= _LEAST_SHARE * len(asked) > 0


def _differ(question: str, one: str, other: str) -> bool:
    known = _values(question)
    left, right = _values(one) - known, _values(other) - known
    return not left & right and any(a.kind == b.kind for a in left for b in right)


def _values(text: str) -> frozenset[Quantity]:
    return frozenset(quantity for _, quantity in quantities(text))
