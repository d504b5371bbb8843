"""Whether a claim that a sentence states answers the question, or states something about something else."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lorag.answering.support import name_stems, quantities, stems_of
from lorag.questions.words import find_words

_WHEN = re.compile(r"\b(?:when|(?:what|which) (?:year|month|day|date|decade|century))\b", re.I)
_HOW_MANY = re.compile(
    r"\b(?:how (?:many|much|old|long|far|deep|tall|high|large|often)|what (?:percentage|number))\b", re.I
)
_WHO = re.compile(r"\b(?:who|whom|whose)\b", re.I)
_DATE = re.compile(
    r"\d|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
    r"|\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|centur|decade|year|month|week|day|hour|morning|evening|night"
    r"|when|if|spring|summer|autumn|winter|early|late|before|after|during|until|since|ago|today|noon|midnight|once)",
    re.I,
)
_AMOUNT = re.compile(r"\b(?:one|once|twice|half|none|no|all|both|several|many|most|few|dozen|daily|every)\b", re.I)
_SHARE = re.compile(r"%|\bper ?cent", re.I)
_ASKS_SHARE = re.compile(r"%|\bper ?cent|\bproportion|\bshare|\bfraction|\bhow much", re.I)
_MONTH = re.compile(
    "January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
)
_YEAR = re.compile(r"1\d{3}|20\d\d")
_BREAK = re.compile(r"[,;:]|\b(?:but|although|though|while|whereas|and)\b", re.I)

_GENERIC = stems_of("another name term type kind example year number many much people person thing word")
"""Words that say what kind of answer is wanted, which a sentence needs not have."""

_LEAST_COVERED = 0.6
"""The share of the words of a question that a sentence must have to answer it."""

_CLOSE = 2
"""The distance in words at which two words still belong together."""

_REACH = 8.0
"""The distance in words at which a word of the question counts e times less."""

_BREAK_WORDS = 3
"""The words that a comma or a conjunction counts as."""

_CLEARLY = 1.25
"""How many times as near as the best other value the claim's own value must be."""


def answers(claim: str, question: str, sentence: str, above: str) -> bool:
    """Whether a claim that the sentence states answers the question.

    `above` are the headings of the sentence and the sentence before it. All of these rules have to agree: the claim has
    a value of the kind that is asked for, the sentence is about what is asked, no other value of the sentence stands
    about as near to the words of the question, the claim has the whole value, and what it names is named in the
    sentence.
    """
    return (
        fits_kind(claim, question)
        and covers(question, sentence, above)
        and is_nearest(claim, question, sentence)
        and is_whole(claim, question, sentence)
        and keeps_together(claim, question, sentence)
    )


def fits_kind(claim: str, question: str) -> bool:
    """Whether the claim has a value of the kind that the question asks for: a date, an amount, or more than a number.

    Questions of other kinds, such as what and why, are fitted by every claim.
    """
    if _HOW_MANY.search(question):
        if _SHARE.search(claim) and not _ASKS_SHARE.search(question):
            return False
        return bool(quantities(claim)) or _AMOUNT.search(claim) is not None
    if _WHEN.search(question):
        return _DATE.search(claim) is not None
    if _WHO.search(question):
        added = stems_of(claim) - stems_of(question)
        return not added or any(not stem[:1].isdigit() for stem in added)
    return True


def asks_for_kind(question: str) -> bool:
    """Whether the question asks for an amount, a date or somebody, so that `fits_kind` can tell claims apart."""
    return any(kind.search(question) for kind in (_HOW_MANY, _WHEN, _WHO))


def is_nearest(claim: str, question: str, sentence: str) -> bool:
    """Whether a value of the claim stands clearly nearer to the words of the question than the sentence's other values.

    Numbers compete with numbers and names with names. A value that the question has does not compete. A sentence in
    which the claim has no such value, or in which there is no other one, passes.
    """
    asked = stems_of(question)
    words = _place(sentence)
    own = stems_of(claim) - asked
    for find in (_numbers, _names):
        values = [value for value in find(sentence, words) if not value.stems <= asked]
        mine = [_nearness(value, words, asked) for value in values if value.stems & own]
        others = [_nearness(value, words, asked) for value in values if not value.stems & own]
        if mine and others and max(mine) < _CLEARLY * max(others):
            return False
    return True


def is_whole(claim: str, question: str, sentence: str) -> bool:
    """Whether the claim has a whole date or name of the sentence, if it has a part of any.

    2015 is a part of February 2015, and Newton of Cam Newton.
    """
    asked = stems_of(question)
    words = _place(sentence)
    own = stems_of(claim)
    for find in (_numbers, _names):
        touched = [value.stems - asked for value in find(sentence, words) if value.stems & (own - asked)]
        if touched and not any(stems <= own for stems in touched):
            return False
    return True


def covers(question: str, sentence: str, above: str) -> bool:
    """Whether a sentence, with its headings and the sentence before (`above`), is about what the question asks.

    The years of the question have to be there, half of its names at least, and most of all its words.
    """
    known = stems_of(f"{above}\n{sentence}")
    named = name_stems(question) - _GENERIC
    asked = stems_of(question) - _GENERIC
    if not {stem for stem in asked if _YEAR.fullmatch(stem)} <= known or 2 * len(named & known) < len(named):
        return False
    return len(asked & known) >= _LEAST_COVERED * len(asked)


def keeps_together(claim: str, question: str, sentence: str) -> bool:
    """Whether words that stand side by side in the claim stand close together in the sentence.

    Only neighbours count that the claim adds to the question. It fails for a claim that puts a new name or term
    together from words of different places. A name that goes on in the sentence must go on in the claim too.
    """
    asked = stems_of(question)
    own, there = _place(claim), _place(sentence)
    if any(_goes_on(name, sentence, there) for name in _names(claim, own) if not name.stems <= asked):
        return False
    for one, other in pairwise(own):
        if not {one.stem, other.stem} - {""} - asked or "" in (one.stem, other.stem) or other.at - one.at > 1:
            continue
        if one.stem in asked and not (one.text[:1].isupper() and other.text[:1].isupper()):
            continue
        firsts = [number for number, word in enumerate(there) if word.stem == one.stem]
        seconds = [number for number, word in enumerate(there) if word.stem == other.stem]
        if firsts and seconds and min(abs(a - b) for a in firsts for b in seconds) > _CLOSE:
            return False
    return True


def _goes_on(name: "_Value", sentence: str, there: "Sequence[_Placed]") -> bool:
    """Whether the sentence has the name only as the start of longer ones, which are names of something else."""
    holding = [run for run in _runs(sentence, there) if name.stems <= {word.stem for word in run}]
    return bool(holding) and all(run[-1].stem not in name.stems for run in holding)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A word by its stem, empty for a word without meaning, with its place in words; a break counts as some."""

    stem: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class _Value:
    stems: frozenset[str]
    first: int
    last: int


_Find = Callable[[str, Sequence[_Placed]], list[_Value]]


def _place(text: str) -> list[_Placed]:
    placed, before, at = [], 0, 0
    for word in find_words(text):
        at += 1 + _BREAK_WORDS * len(_BREAK.findall(text[before : word.start]))
        shown = text[word.start : word.end]
        placed.append(_Placed(next(iter(sorted(stems_of(shown))), ""), shown, at))
        before = word.start
    return placed


def _numbers(sentence: str, words: Sequence[_Placed]) -> list[_Value]:
    """Return the numbers; those of one date, such as 7 January 1943, are one value."""
    runs: list[list[_Placed]] = []
    for number, word in enumerate(words):
        if not (word.stem[:1].isdigit() or _MONTH.fullmatch(word.text)):
            continue
        if runs and runs[-1][-1] is words[number - 1] and (_has_month(runs[-1]) or _has_month([word])):
            runs[-1].append(word)
        else:
            runs.append([word])
    runs = [run for run in runs if any(word.stem[:1].isdigit() for word in run)]
    return [_Value(frozenset(word.stem for word in run), run[0].at, run[-1].at) for run in runs]


def _has_month(words: Sequence[_Placed]) -> bool:
    return any(_MONTH.fullmatch(word.text) for word in words)


def _names(sentence: str, words: Sequence[_Placed]) -> list[_Value]:
    return [_Value(frozenset(word.stem for word in run), run[0].at, run[-1].at) for run in _runs(sentence, words)]


def _runs(sentence: str, words: Sequence[_Placed]) -> list[list[_Placed]]:
    """Return the words of each name: all words with a capital that follow one another, also behind `of`."""
    named = name_stems(sentence)
    runs: list[list[int]] = []
    for at, word in enumerate(words):
        if not (word.text[:1].isupper() and word.stem in named):
            continue
        between = [each.text for each in words[runs[-1][-1] + 1 : at]] if runs else []
        if runs and between in ([], ["of"]) and _follows(words, runs[-1][-1], at):
            runs[-1].append(at)
        else:
            runs.append([at])
    return [[words[at] for at in run] for run in runs]


def _follows(words: Sequence[_Placed], one: int, other: int) -> bool:
    # A break between two words makes their distance larger than the number of words between them.
    return words[other].at - words[one].at == other - one


def _nearness(value: _Value, words: Sequence[_Placed], asked: frozenset[str]) -> float:
    nearest: dict[str, float] = {}
    for word in words:
        if word.stem in asked and word.stem not in value.stems:
            distance = max(value.first - word.at, word.at - value.last, 0)
            nearest[word.stem] = max(nearest.get(word.stem, 0.0), math.exp(-distance / _REACH))
    return sum(nearest.values())
