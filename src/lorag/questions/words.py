"""The one rule for whether two texts say the same: by their words, whatever their case, marks and form of letters.

docs/normalising.md shows it row by row. Measures, conflicts, leakage, swaps, support, word search and the chunks of a
fact use it.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from lorag.knowledge.normalise import SPACELESS

ARTICLES = frozenset({"a", "an", "the"})

FUNCTION_WORDS = frozenset(
    "a an the and or but nor of in on at to for from by with as than into onto over under about between during is are "
    "was were be been being am do does did has have had having will would can could shall should may might must it its "
    "this that these those there here he she they him his her their we you your i me my our us who whom whose which "
    "what when where why how not no yes so if then also only just very more most such some any each every all both "
    "one's because while until after before s t".split()
)
"""Words that carry little of the meaning of a sentence."""

_MARKS = "".join(chr(code) for code in range(0x300, 0x10000) if unicodedata.category(chr(code)).startswith("M"))
_CURRENCIES = "$\u00a2-\u00a5\u0e3f\u20a0-\u20cf"
_DASHES = "\\-\u2010\u2012\u2013\u2212"
_IN_WORD = f"(?:(?![{SPACELESS}])[^\\W_]|[{_MARKS}])"
_WORD = re.compile(
    rf"(?P<initials>(?:(?![{SPACELESS}])[^\W\d_])(?:\.[^\W\d_])+(?!{_IN_WORD})\.?)"
    rf"|(?P<number>(?:(?<![\w)\]])[{_DASHES}+])?(?:[{_CURRENCIES}]\s?)?\d+(?:[.,:/\u2044{_DASHES}]\d+)*{_IN_WORD}*)"
    rf"|(?P<character>(?=[{SPACELESS}])[^\W\d_][{_MARKS}]*)"
    rf"|(?P<word>{_IN_WORD}+(?:(?<!\d)[-\u2010](?=[^\W\d_]){_IN_WORD}+)*(?:\+\+|[+#](?!\w))?)"
)
_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_DASH = re.compile(f"[{_DASHES}]")
# Jamo form syllables with one another, other letters form one with the marks behind them.
_CLUSTER = re.compile(rf"[\u1100-\u11ff]+|.[{_MARKS}]*", re.DOTALL)
_MARKS_OF_TEXT = frozenset(["", *".,;:!?-*+|>#()[]'\"\u2013\u2014\u2022"])
"""Single marks that stand between the words of any text, and are the value of nothing."""

_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class Word:
    """A word in its normal form and its place in the text; `is_character` in scripts without blanks between words."""

    text: str
    start: int
    end: int
    is_character: bool = False


def words(text: str) -> list[str]:
    """Return the normal forms of the words of a text; texts with equal lists say the same.

    The rule follows Rajpurkar et al. 2016 (evaluation of SQuAD), with the differences in docs/normalising.md.
    """
    return [word.text for word in find_words(text)]


def normalise(text: str) -> str:
    """Return the words joined by blanks."""
    return " ".join(words(text))


def states(text: str, value: str) -> bool:
    """Whether the text contains the words of `value` side by side and whole, not inside a longer word or number."""
    return next(occurrences(text, value), None) is not None


def occurrences(text: str, value: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each place where the text states `value`; the places do not overlap.

    Marks at the ends of the value, such as a percent sign, belong to the place if the text has them too. A value of
    marks alone, such as `""` or `*:*`, is found letter by letter, but not beside a letter or a digit.
    """
    found, own = find_words(text), find_words(value)
    wanted = [word.text for word in own]
    if not wanted and (marks := value.strip()) not in _MARKS_OF_TEXT:
        yield from (match.span() for match in re.finditer(rf"(?<!\w){re.escape(marks)}(?!\w)", text))
    at = 0
    while wanted and at + len(wanted) <= len(found):
        place = found[at : at + len(wanted)]
        if [word.text for word in place] == wanted:
            head, tail = value[: own[0].start].strip(), value[own[-1].end :].strip()
            before, behind = text[: place[0].start].rstrip(), text[place[-1].end :].lstrip()
            start = len(before) - len(head) if head and before.endswith(head) else place[0].start
            end = len(text) - len(behind) + len(tail) if tail and behind.startswith(tail) else place[-1].end
            yield start, end
            at += len(wanted)
        else:
            at += 1


@lru_cache(maxsize=4_096)
def find_words(text: str) -> Sequence[Word]:
    """Return the words of a text in their order, without articles unless it has nothing else.

    A capital A after another word is a name and stays, so that pier B is not accepted for pier A.
    """
    composed, places = _compose(text)
    found = [
        (match[0], Word(_normal_form(match), *_place(match, places), match.lastgroup == "character"))
        for match in _WORD.finditer(composed)
    ]
    kept = tuple(word for at, (raw, word) in enumerate(found) if word.text not in ARTICLES or (raw == "A" and at > 0))
    return kept or tuple(word for _, word in found)


def _normal_form(match: re.Match[str]) -> str:
    text = match[0]
    if match.lastgroup == "initials":
        text = text.replace(".", "")
    elif match.lastgroup == "number":
        text = _DASH.sub("-", re.sub(r"[\s+]", "", text)).replace("\u2044", "/")
        text = _THOUSANDS.sub(lambda digits: digits[0].replace(",", ""), text)
    elif match.lastgroup == "word":
        text = re.sub("[-\u2010]", "", text)
    if not text.isascii():
        text = "".join(str(unicodedata.decimal(letter)) if letter.isdecimal() else letter for letter in text)
    return unicodedata.normalize("NFKC", text.casefold())


def _compose(text: str) -> tuple[str, Sequence[tuple[int, int]] | None]:
    """Return the text in NFKC without invisible characters, and the old place of each character; None if none moved."""
    if text.isascii() or (unicodedata.is_normalized("NFKC", text) and not _UNSEEN.search(text)):
        return text, None
    composed: list[str] = []
    places: list[tuple[int, int]] = []
    for match in _CLUSTER.finditer(text):
        letters = unicodedata.normalize("NFKC", _UNSEEN.sub("", match[0]))
        if composed and composed[-1].isdecimal() and unicodedata.category(match[0][0]) == "No":
            # A raised figure or a fraction is separate from the number before it.
            letters = f" {letters}"
        composed += letters
        places += [match.span()] * len(letters)
    return "".join(composed), places


def _place(match: re.Match[str], places: Sequence[tuple[int, int]] | None) -> tuple[int, int]:
    return match.span() if places is None else (places[match.start()][0], places[match.end() - 1][1])
