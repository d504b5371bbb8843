"""The judgement whether a sentence states a claim: by its numbers, units, names and negations, then by its words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import lru_cache

from lorag.answering.words import content_words
from lorag.questions.words import find_words, words


class Verdict(StrEnum):
    """What a sentence says about a claim."""

    STATED = "stated"
    UNSTATED = "unstated"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, and the share (0..1) of what the claim adds to its question that the sentence states.

    Only a claim whose numbers, names and negations are all in the sentence has a share above 0.
    """

    verdict: Verdict
    share: float


_UNITS: Mapping[str, Mapping[float, str]] = {
    "time": {
        0.001: "ms millisecond milliseconds msec",
        1: "s sec secs second seconds",
        60: "min mins minute minutes",
        3_600: "h hr hrs hour hours",
        86_400: "d day days",
        604_800: "week weeks",
        2_629_746: "month months",
        31_556_952: "yr yrs year years",
    },
    "length": {
        0.001: "mm millimetre millimetres millimeter millimeters",
        0.01: "cm centimetre centimetres centimeter centimeters",
        1: "m metre metres meter meters",
        1_000: "km kilometre kilometres kilometer kilometers",
        0.3048: "ft foot feet",
        1_609.344: "mi mile miles",
        0.0254: "inch inches",
    },
    "mass": {
        0.001: "g gram grams",
        1: "kg kilo kilos kilogram kilograms",
        1_000: "t tonne tonnes",
        0.45359237: "lb lbs",
    },
    "data": {
        1: "byte bytes b",
        1_000: "kb kilobyte kilobytes",
        1_000_000: "mb megabyte megabytes",
        1_000_000_000: "gb gigabyte gigabytes",
        1_000_000_000_000: "tb terabyte terabytes",
        1_024: "kib",
        1_048_576: "mib",
        1_073_741_824: "gib",
    },
    "share": {1: "% percent"},
    "euro": {1: "\u20ac eur euro euros"},
    "dollar": {1: "$ usd dollar dollars"},
    "pound": {1: "\u00a3 gbp pound pounds"},
    "temperature": {1: "\u00b0c celsius"},
    "power": {1: "w watt watts", 1_000: "kw kilowatt kilowatts", 1_000_000: "mw megawatt megawatts"},
}
_UNIT = {
    name: (kind, factor) for kind, units in _UNITS.items() for factor, names in units.items() for name in names.split()
}
_SCALES = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_NUMBER_WORDS = {
    name: value
    for value, name in enumerate(
        "zero _ two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split()
    )
    if name != "_"
} | {name: 10 * value for value, name in enumerate("thirty forty fifty sixty seventy eighty ninety".split(), start=3)}

_QUANTITY = re.compile(
    r"(?P<sign>(?<![\w)\]])[-\u2212])?(?P<before>[$\u20ac\u00a3]\s?)?(?<![\w.])(?P<digits>\d+(?:,\d{3})*(?:\.\d+)?)"
    r"(?!\d)(?:[\s-]?(?P<unit>%|\u20ac|\u00b0?[A-Za-z]+))?(?:[\s-](?P<second>[A-Za-z]+))?"
)
_COMPOUND = re.compile(r"\d[:/.-]\d+[:/.-]|\d[:/-]\d")
_MARKERS = re.compile(
    r"^\s*(?:[-*+\u2022]|\(?\d{1,3}[.)])\s+|\s*[\[\u3010]\d{1,3}(?:\u2020[^\u3011]*)?[\]\u3011]"
    r"|\s*\((?:see |from )?(?:source|passage|document|context|reference)s? \d{1,3}\)"
    r"|^\s*(?:(?:the )?answer(?: to (?:the|this|your) question)? is:?|answer:)\s*",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nor|neither|nobody|nothing|nowhere|without|cannot|unable)\b|n['\u2019]t\b", re.I
)
_CLAUSE = re.compile(
    r"[,;:()\u2013\u2014]|\b(?:but|although|though|while|whereas|which|because|unless|however)\b", re.I
)
_NAME = re.compile(r"(?<![\w'])[^\W\d_a-z]\w*(?:['\u2019-]\w+)*")
_IDENTIFIER = re.compile(r"`([^`]+)`|\b(\w*[a-z\d][A-Z_]\w*)")
_YES_NO = re.compile(r"\s*(?P<word>yes|no)\b[\s,.!:;-]*(?P<rest>.*)", re.I | re.DOTALL)
_CHOICE = re.compile(r"\bor\b|^\s*$", re.I)
_ASKS_YES_NO = re.compile(
    r"\s*(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|shall|should|may|must)\b", re.I
)

_STATEMENT_WORDS = 4
"""A claim of fewer words is a value: a negation in the sentence says nothing about it."""

_ASKED_SHARE, _LEAST_ASKED = 0.6, 2
"""The share of a question's words that a sentence must contain to answer it by yes or no, and the least of them."""

_LIGHT = frozenset("start begin began call called name named known locate found use used state mention accord".split())
"""Verbs that a claim may add without saying more than the sentence; in the form that `stems_of` gives."""

_STEM = 6
"""Longer words that are equal in this many letters count as equal: designer and designing."""

_ENDING = re.compile(r"(?<=\w{4})(?:ing|ed)$")


def is_claim(sentence: str, question: str) -> bool:
    """Whether a sentence of an answer says anything that a text could state."""
    return bool(content_words(_MARKERS.sub("", sentence))) or _says_yes_or_no(sentence, question) is not None


def judge_claim(claim: str, question: str, sentence: str, headings: str, min_share: float) -> Judgement:
    """Judge whether the sentence, below its headings, states the claim, which answers the question.

    A number needs an equal one, in the same unit or in one that converts to it; a name and an identifier have to be in
    the sentence or its headings, unless the question has them. An identifier of the question has to be there too. The
    claim and the part of the sentence that it resembles are both negated or neither is. A claim that fails one of these
    is contradicted if the sentence has another value of that kind. Of the other words that the claim adds to the
    question, `min_share` have to be there. "Yes" and "no" are judged by the words and the negation of the question.
    """
    claim = _MARKERS.sub("", claim)
    yes = _says_yes_or_no(claim, question)
    if yes is not None:
        return _judge_yes_no(yes, question, sentence, headings)
    known = f"{headings}\n{sentence}"
    added = stems_of(claim) - stems_of(question) - _LIGHT
    if not added and not _CHOICE.search(question):
        # An echo of the question answers nothing.
        return Judgement(Verdict.UNSTATED, 0.0)
    # Words of the question are granted to a claim that adds others; one that adds none has to be in the sentence.
    granted = question if added else ""
    for judged in (_judge_quantities, _judge_names, _judge_wording):
        verdict = judged(claim, granted, sentence, known)
        if verdict is not Verdict.STATED:
            return Judgement(verdict, 0.0)
    if any(not stems_of(quoted) <= stems_of(known) for quoted, _ in _IDENTIFIER.findall(question) if quoted):
        return Judgement(Verdict.UNSTATED, 0.0)
    added = added or stems_of(claim)
    # Something new has to be in the sentence itself: its headings alone state nothing.
    if not added & (stems_of(sentence) | _counted(claim, sentence)):
        return Judgement(Verdict.UNSTATED, 0.0)
    share = len(added & (stems_of(known) | _counted(claim, known))) / len(added)
    return Judgement(Verdict.STATED if share >= min_share else Verdict.UNSTATED, share)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in the base unit of its kind; `kind` is None if it has no unit that is known."""

    value: float
    kind: str | None = None

    def equals(self, other: "Quantity") -> bool:
        """Whether both are the same amount; a number without a unit equals the bare number of the other."""
        return abs(self.value - other.value) <= 1e-9 * abs(self.value)


def _says_yes_or_no(claim: str, question: str) -> bool | None:
    said = _YES_NO.fullmatch(claim)
    if said is None or not _ASKS_YES_NO.match(question) or content_words(said["rest"]):
        return None
    return said["word"].casefold() == "yes"


def _judge_yes_no(yes: bool, question: str, sentence: str, headings: str) -> Judgement:
    asked = stems_of(question)
    share = len(asked & stems_of(f"{headings}\n{sentence}")) / len(asked) if asked else 0.0
    if len(asked) < _LEAST_ASKED or share < _ASKED_SHARE:
        return Judgement(Verdict.UNSTATED, 0.0)
    negated = _is_negated(_clause_of(question, sentence)) != _is_negated(question)
    return Judgement(Verdict.STATED, share) if yes != negated else Judgement(Verdict.CONTRADICTED, 0.0)


def _judge_quantities(claim: str, question: str, sentence: str, known: str) -> Verdict:
    # Times, ranges and versions are no amounts: they count as they are written.
    if {stem for stem in stems_of(claim) if _COMPOUND.search(stem)} - stems_of(question) - stems_of(known):
        return Verdict.CONTRADICTED if quantities(sentence) else Verdict.UNSTATED
    asked, there = quantities(question), quantities(known)
    for bare, wanted in quantities(claim):
        if any(_same(bare, wanted, *other) for other in asked):
            continue
        if not any(_same(bare, wanted, *other) for other in there):
            return Verdict.CONTRADICTED if quantities(sentence) else Verdict.UNSTATED
    return Verdict.STATED


def _judge_names(claim: str, question: str, sentence: str, known: str) -> Verdict:
    wanted = {stem for name in [*names_of(claim), *_identifiers(claim)] for stem in stems_of(name)}
    if wanted <= stems_of(known):
        return Verdict.STATED
    return Verdict.CONTRADICTED if set(names_of(sentence)) - set(names_of(question)) else Verdict.UNSTATED


def _judge_wording(claim: str, question: str, sentence: str, known: str) -> Verdict:
    """Contradict a claim that has another word, or a negation more or less, where it otherwise follows the sentence."""
    own, other = words(claim), words(sentence)
    if len(own) < _STATEMENT_WORDS:
        return Verdict.STATED
    steps = SequenceMatcher(None, other, own, autojunk=False).get_opcodes()
    if sum(to - at for step, _, _, at, to in steps if step == "equal") < len(own) / 2:
        added = stems_of(claim) - stems_of(question)
        negated = any(_is_negated(clause) for clause in _CLAUSE.split(sentence) if added & stems_of(clause))
        return Verdict.CONTRADICTED if _is_negated(claim) != negated else Verdict.STATED
    asked = stems_of(question)
    for number, (step, i, j, at, to) in enumerate(steps):
        inner = 0 < number < len(steps) - 1
        there, here = other[i:j], own[at:to]
        if step == "equal" or (not inner and max(j - i, to - at) > _STATEMENT_WORDS):
            continue
        if max(j - i, to - at) <= _STATEMENT_WORDS and _negations(there) != _negations(here):
            return Verdict.CONTRADICTED
        new, old = stems_of(" ".join(here)), stems_of(" ".join(there))
        if new - old and old - new and not new & asked:
            return Verdict.CONTRADICTED
    return Verdict.STATED


@lru_cache(maxsize=4_096)
def quantities(text: str) -> Sequence[tuple[float, Quantity]]:
    """Return each number of a text, bare and as a quantity in its unit; number words count, "one" does not."""
    found: list[tuple[float, Quantity]] = []
    for match in _QUANTITY.finditer(text):
        value = float(match["digits"].replace(",", "")) * (-1 if match["sign"] else 1)
        unit = (match["unit"] or "").casefold()
        value *= _SCALES.get(unit, 1.0)
        if unit in _SCALES:
            unit = (match["second"] or "").casefold()
        unit = (match["before"] or "").strip() or unit
        decade = match["unit"] == "s" and len(match["digits"]) >= len("20s") and match["digits"].endswith("0")
        kind, factor = _UNIT.get("" if decade else unit, (None, 1.0))
        found.append((value, Quantity(value * factor, kind)))
    spelled = [word.text for word in find_words(text)]
    for at, word in enumerate(spelled):
        if word in _NUMBER_WORDS:
            behind = spelled[at + 1] if at + 1 < len(spelled) else ""
            value = _NUMBER_WORDS[word] * _SCALES.get(behind, 1.0)
            kind, factor = _UNIT.get(behind, (None, 1.0))
            found.append((value, Quantity(value * factor, kind)))
    return tuple(found)


def _same(bare: float, own: Quantity, other_bare: float, other: Quantity) -> bool:
    if own.kind is None or other.kind is None:
        return abs(bare - other_bare) <= 1e-9 * abs(bare)
    return own.kind == other.kind and own.equals(other)


def names_of(text: str) -> list[str]:
    """Return the words with a capital; not the first one of a statement, unless another one follows it directly."""
    found = list(_NAME.finditer(text))
    statement = len(words(text)) >= _STATEMENT_WORDS
    names = []
    for at, match in enumerate(found):
        if not match[0][0].isupper():
            continue
        begins = not text[: match.start()].strip(" \"'`*_(")
        follows = at + 1 < len(found) and text[match.end() : found[at + 1].start()] == " "
        if begins and statement and not follows and not match[0][1:2].isupper():
            continue
        names.append(match[0])
    return names


def name_stems(text: str) -> frozenset[str]:
    """Return the stems of all names of a text."""
    return frozenset(stem for name in names_of(text) for stem in stems_of(name))


def _identifiers(text: str) -> list[str]:
    return [quoted or written for quoted, written in _IDENTIFIER.findall(text)]


def _clause_of(claim: str, sentence: str) -> str:
    """Return the part of the sentence that shares most words with the claim."""
    wanted = stems_of(claim)
    return max(_CLAUSE.split(sentence), key=lambda clause: len(wanted & stems_of(clause)))


def _is_negated(text: str) -> bool:
    return _negations([text]) % 2 == 1


def _negations(said: Sequence[str]) -> int:
    return len(_NEGATION.findall(" ".join(said)))


def _counted(claim: str, text: str) -> frozenset[str]:
    """Return the claim's numbers that are in the text, in any unit, and its units that are of a kind in the text."""
    there = quantities(text)
    kinds = {quantity.kind for _, quantity in there} - {None}
    found = set()
    for bare, wanted in quantities(claim):
        if any(_same(bare, wanted, *other) for other in there):
            found |= {f"{bare / scale:.12g}" for scale in (1.0, *_SCALES.values())}
            found |= {_stem(name) for name in _SCALES}
            if wanted.kind in kinds:
                found |= {_stem(name) for name, (kind, _) in _UNIT.items() if kind == wanted.kind}
                found |= {_stem(name.removesuffix("s")) for name, (kind, _) in _UNIT.items() if kind == wanted.kind}
    return frozenset(found)


def _stem(word: str) -> str:
    ending = _ENDING.search(word)
    return word[: ending.start() if ending else len(word)][:_STEM]


@lru_cache(maxsize=4_096)
def stems_of(text: str) -> frozenset[str]:
    """Return the content words by their first six letters without an ending, and number words as numbers."""
    return frozenset(
        word if any(letter.isdigit() for letter in word) else str(_NUMBER_WORDS.get(word, _stem(word)))
        for word in content_words(text)
    )
