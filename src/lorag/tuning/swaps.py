"""Values that can replace an answer: a number for a number, a name for a name, a date for a date."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lorag.digests import digest_of
from lorag.questions.facts import Fact
from lorag.questions.words import normalise, states

_NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
_CODE = re.compile(r"(?=.*\d)(?=.*[^\W\d_])[\w-]+")


@dataclass(frozen=True, slots=True)
class Swap:
    """A value for a changed context, and the documents of the fact that it comes from."""

    value: str
    documents: Mapping[str, str]


def find_swap(fact: Fact, facts: Sequence[Fact], context: str, *, seed: int) -> Swap | None:
    """Find a value of the same shape that `context` does not state; None if no other fact has one.

    It is drawn by hash from the facts whose answers have the same shape: the same words around numbers of the same
    kind, or the same number of capitalised words. Facts whose question begins alike come first, so that a person
    replaces a person. If there are none, a number keeps its unit and takes the digits of another answer of its kind.
    """
    known = {normalise(answer) for answer in fact.question.answers}
    drawn = sorted(
        (other for other in facts if other.literal),
        key=lambda other: (_opening(other) != _opening(fact), digest_of([seed, "swap", fact.id, other.id])),
    )
    for value, lender in [*_same_shape(fact, drawn), *_same_numbers(fact, drawn)]:
        if normalise(value) not in known and not states(context, value) and not _overlap(fact.answer, value):
            return Swap(value, lender.documents)
    return None


def shape_of(answer: str) -> str:
    """Return the shape that two answers must share to replace each other."""
    if any(letter.isdigit() for letter in answer):
        if _CODE.fullmatch(answer) and not _NUMBER.fullmatch(answer):
            return re.sub(r"[^\W\d_]", "a", re.sub(r"\d", "9", answer)).lower()
        return re.sub(r"\d+", "9", answer).casefold()
    words = re.findall(r"[^\W\d_][\w'\u2019-]*", answer)
    if all(word[0].isupper() or word.islower() and len(word) <= 3 for word in words):
        return "&" if "&" in answer else f"{len(words)} names"
    return f"{len(words)} words"


def _opening(fact: Fact) -> list[str]:
    return fact.question.question.casefold().split()[:2]


def _same_shape(fact: Fact, others: Sequence[Fact]) -> list[tuple[str, Fact]]:
    shape = shape_of(fact.answer)
    return [(other.answer, other) for other in others if other.id != fact.id and shape_of(other.answer) == shape]


def _same_numbers(fact: Fact, others: Sequence[Fact]) -> list[tuple[str, Fact]]:
    own = _NUMBER.findall(fact.answer)
    if not own:
        return []
    kinds = [_kind(number) for number in own]
    found = []
    for other in others:
        numbers = _NUMBER.findall(other.answer)
        if other.id != fact.id and [_kind(number) for number in numbers] == kinds:
            found.append((_with_numbers(fact.answer, numbers), other))
    return found


def _with_numbers(text: str, numbers: Sequence[str]) -> str:
    rest = iter(numbers)
    return _NUMBER.sub(lambda _: next(rest), text)


def _kind(number: str) -> str:
    return re.sub(r"\d", "9", number)


def _overlap(old: str, new: str) -> bool:
    # "Tarn & Fettle" for "Tarn & Fettle Bunkers" would change nothing.
    return states(old, new) or states(new, old)
