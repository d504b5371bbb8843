"""Pairs of an answer and a sentence, right and wrong ones, made from questions with known answers by a seeded draw.

Four kinds, equally many: the right answer with its sentence; the same with another value of its shape; the right
answer with another sentence of the page; and a negated claim, or one whose sentence is negated. An answer is a value,
a value behind "The answer is", or a whole sentence.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lorag.evaluation.answers import contains_answer
from lorag.questions.words import normalise, occurrences
from lorag.tuning.swaps import shape_of

_AUXILIARY = re.compile(r"\b(?:is|are|was|were|has|have|had|can|could|will|would|may|must|should|did|does|do)\b")
_SHORTEST = 5


class PairKind(StrEnum):
    """How the pair was made; only the first kind is right."""

    RIGHT = "right"
    SWAPPED = "value swapped"
    OTHER = "another sentence"
    NEGATED = "negated"


@dataclass(frozen=True, slots=True)
class Source:
    """A question with its answer, the sentence that states it, its headings and the other sentences of the page."""

    question: str
    answer: str
    sentence: str
    headings: str
    others: tuple[str, ...]
    group: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer to judge by a sentence."""

    kind: PairKind
    question: str
    answer: str
    sentence: str
    headings: str
    group: str


def make_pairs(sources: Sequence[Source], n_each: int, seed: int) -> list[Pair]:
    """Return `n_each` pairs of each kind, each kind from its own draw of the sources."""
    found = []
    for kind in PairKind:
        drawn = random.Random(f"{seed} {kind}")
        order = drawn.sample(list(sources), len(sources))
        made = (pair for source in order for pair in _make(kind, source, sources, drawn))
        found += [pair for _, pair in zip(range(n_each), made, strict=False)]
    return found


def _make(kind: PairKind, source: Source, sources: Sequence[Source], drawn: random.Random) -> Iterator[Pair]:
    said = _phrase(source, source.answer, drawn)
    sentence = source.sentence
    if kind is PairKind.SWAPPED:
        value = _other_value(source, sources, drawn)
        if value is None:
            return
        said = _phrase(source, value, drawn)
    elif kind is PairKind.OTHER:
        others = [text for text in source.others if not contains_answer(text, [source.answer])]
        if not others:
            return
        sentence = drawn.choice(others)
    elif kind is PairKind.NEGATED:
        negated = _negate(sentence)
        if negated is None:
            return
        said, sentence = (negated, sentence) if drawn.random() < 0.5 else (sentence, negated)
    yield Pair(kind, source.question, said, sentence, source.headings, source.group)


def _phrase(source: Source, value: str, drawn: random.Random) -> str:
    form = drawn.randrange(3)
    if form == 0:
        return value
    if form == 1:
        return f"The answer is {value}."
    places = list(occurrences(source.sentence, source.answer))
    start, end = places[0]
    return source.sentence[:start] + value + source.sentence[end:]


def _other_value(source: Source, sources: Sequence[Source], drawn: random.Random) -> str | None:
    """Return the answer to another question, of the same shape, from the same page if it has one."""
    alike = [
        other
        for other in sources
        if shape_of(other.answer) == shape_of(source.answer)
        and not contains_answer(other.answer, [source.answer])
        and not contains_answer(source.answer, [other.answer])
    ]
    near = [other for other in alike if other.group == source.group]
    return drawn.choice(near or alike).answer if alike else None


def _negate(sentence: str) -> str | None:
    found = _AUXILIARY.search(sentence)
    if found is None or len(normalise(sentence).split()) < _SHORTEST:
        return None
    return f"{sentence[: found.end()]} not{sentence[found.end() :]}"
