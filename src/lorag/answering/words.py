"""The words that carry the meaning of a sentence."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from lorag.questions.words import FUNCTION_WORDS, Word, find_words

_NUMBER = re.compile(r"[^\w-]?(?P<value>-?\d+(?:[.,:/-]\d+)*)")
_PIECE = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")

_ALIKE, _LEAST_ALIKE = 6, 4

_FUNCTION_WORDS = FUNCTION_WORDS | {"answer", "text", "passage", "context", "according", "question"}

ADDRESS = frozenset(
    "ask asked asking colleague curious document documentation explain find friend hello help hi kindly know "
    "look looking need please quick quickly say see show somebody someone tell thank understand want wonder "
    "wondering".split()
)
"""Words with which people address whoever answers, as in "Can you tell me ...": documents need not have them."""


def content_words(text: str) -> frozenset[str]:
    """Return the numbers and words without function words, in their normal form, with plural endings cut.

    Times and dates stay in one piece. Words with hyphens count by their parts, unless a part is a single letter. In
    scripts without blanks between words, each pair of neighbouring characters counts as a word.
    """
    found: list[str] = []
    run: list[Word] = []
    for word in find_words(text):
        if run and (not word.is_character or word.start != run[-1].end):
            found += _pairs(run)
            run = []
        if word.is_character:
            run.append(word)
        else:
            found += _parts(word, text)
    return frozenset(_stem(word) for word in [*found, *_pairs(run)] if word not in _FUNCTION_WORDS)


def numbers(text: str) -> frozenset[str]:
    """Return the content words that are numbers."""
    return frozenset(word for word in content_words(text) if _is_number(word))


def shared_stems(name: str, question: str) -> frozenset[str]:
    """Return the content words of the question that a word of `name` is another form of: maintainer, maintains.

    Two words are forms of one if they are equal in their first six letters, or in all of the shorter one's if that has
    at least four.
    """
    own = content_words(name)
    return frozenset(word for word in content_words(question) if any(_alike(word, other) for other in own))


def _alike(one: str, other: str) -> bool:
    length = min(len(one), len(other), _ALIKE)
    return one == other or (length >= _LEAST_ALIKE and one[:length] == other[:length])


def _pairs(run: Sequence[Word]) -> list[str]:
    return [one.text + other.text for one, other in pairwise(run)] or [word.text for word in run]


def _parts(word: Word, text: str) -> list[str]:
    if number := _NUMBER.fullmatch(word.text):
        return [number["value"]]
    parts = _PIECE.findall(unicodedata.normalize("NFKC", text[word.start : word.end]).casefold())
    if any(letter.isdigit() for letter in word.text) or (len(parts) > 1 and all(len(part) > 1 for part in parts)):
        return parts
    return [word.text]


def _is_number(word: str) -> bool:
    return word.lstrip("-")[:1].isdigit()


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
