"""Questions about the past of the documents, told by a few phrases in English."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from lorag.answering.points import MONTHS, Label, Point, Span, read_point
from lorag.answering.words import content_words


class Asks(StrEnum):
    """What is asked for: the answer before a point in time, at one, before its last change, or since when it holds."""

    BEFORE = "before"
    AT = "at"
    CHANGED = "changed"
    SINCE = "since"


@dataclass(frozen=True, slots=True)
class PastQuestion:
    """A question about the past: the `question` to search for, without the `phrase` that says so.

    `point` is None unless it asks before or at one. `insists` is false for words that are often about something else
    than a change of the documents, such as "previously".
    """

    asks: Asks
    question: str
    phrase: str
    point: Point | None = None
    insists: bool = True


def read_past(question: str, now: datetime) -> PastQuestion | None:
    """Return what a question asks about the past; None if it has no such phrase at its start or end.

    The phrase may follow the question, as in "How deep is berth 4? And before May?". Whether it is about the documents'
    past depends on the releases too: in "What was the population as of 1901?" only the point decides.
    """
    text = " ".join(question.split()).rstrip("?. ")
    if follows := _FOLLOWS.fullmatch(text):
        readings = _readings(f"{follows['asked']} {follows['phrase']}", now, in_past=True)
        return next((found for found in readings if found.question == _question(follows["asked"])), None)
    return next((found for found in _readings(text, now) if content_words(found.question)), None)


def speaks_of(text: str, asked: PastQuestion) -> bool:
    """Whether a text itself tells about the time that is asked about."""
    if asked.asks is Asks.CHANGED:
        return not asked.insists and _FORMERLY.search(text) is not None
    named = [word for word in re.findall(r"\w[\w.-]*", asked.phrase) if word.casefold() not in _PREPOSITIONS]
    return all(re.search(_as_written(word), text) for word in named)


def says_when(text: str) -> bool:
    """Whether a text itself says since when something is so."""
    return _SAYS_WHEN.search(text) is not None


_WAS = re.compile(r"\b(?:was|were|did|had)\b", re.IGNORECASE)
_STATE = re.compile(
    r"\b(?:was|were)\b|\bdid\b.+\b(?:say|state|read|require|recommend|allow|mention|apply)\b", re.IGNORECASE
)
"""What asks how something was at a time, and not what happened then."""

_EVENT = re.compile(r"(?:when|why)\b", re.IGNORECASE)
_LONGEST = timedelta(days=31)

_FOLLOWS = re.compile(r"(?P<asked>.+)\? (?:(?:and|but|or) )?(?:what (?:was it|about) )?(?P<phrase>\S.*)", re.IGNORECASE)
_SINCE = re.compile(r"(?P<phrase>since when) (?P<asked>.+)", re.IGNORECASE)
_SINCE_LAST = re.compile(r"(?P<asked>.+) (?P<phrase>since when)", re.IGNORECASE)
_LAST = r"(?:last|latest|most recent)"
_CHANGE = r"(?:change|update|edit|revision)"
_LAST_CHANGE = re.compile(
    rf"(?P<asked>.+?),? (?P<phrase>before (?:the|its|their) {_LAST} {_CHANGE}(?: (?:of|to) .+)?)", re.IGNORECASE
)
_BEFORE_IT = re.compile(
    r"(?P<asked>.+?),? (?P<phrase>before (?:that|then|(?:it|this|that|they) (?:was |were )?(?:last )?"
    r"(?:changed|updated))|in the previous (?:release|version)|previously)",
    re.IGNORECASE,
)
_USED_TO_BE = re.compile(r"(?P<start>.+?) (?:used to be|did (?P<what>.+) used? to be)(?P<rest>(?: .+)?)", re.IGNORECASE)
_DATED = re.compile(r",? (?P<phrase>(?P<how>before|prior to|as of|in|on) )", re.IGNORECASE)
_FIRST = re.compile(
    r"(?P<phrase>(?:(?P<how>before|prior to|as of|in|on) )?(?P<point>[^,]{1,40})), (?P<asked>.+)", re.IGNORECASE
)
_RECENT = re.compile(r",? (?P<point>yesterday|last (?:week|month)|\w+ (?:days?|weeks?|months?) ago)$", re.IGNORECASE)
_BEFORE = ("before", "prior to")
_PREPOSITIONS = frozenset("before prior to as of in on the".split())
_FORMERLY = re.compile(r"\b(?:previous|former|original|earlier|until|used to|no longer|before|was|were)", re.IGNORECASE)
_SAYS_WHEN = re.compile(rf"\b[Ss]ince\b|\b(?:1\d{{3}}|20\d\d)\b|\b(?:{'|'.join(each.title() for each in MONTHS)})\b")


def _readings(text: str, now: datetime, *, in_past: bool = False) -> Iterator[PastQuestion]:
    """Yield what the text may ask; `in_past` if the past tense is not needed."""
    if found := _SINCE.fullmatch(text) or (in_past and _SINCE_LAST.fullmatch(text)):
        yield PastQuestion(Asks.SINCE, _question(found["asked"]), found["phrase"])
    for pattern, insists in ((_LAST_CHANGE, True), (_BEFORE_IT, False)):
        if (found := pattern.fullmatch(text)) and (in_past or _WAS.search(found["asked"])):
            yield PastQuestion(Asks.CHANGED, _question(found["asked"]), found["phrase"], insists=insists)
    if found := _USED_TO_BE.fullmatch(text):
        start, what, rest = found["start"], found["what"], found["rest"]
        asked = f"{start} was {what}{rest}" if what else f"{start} was{rest}"
        yield PastQuestion(Asks.CHANGED, _question(asked), "used to be", insists=False)
    for asked, phrase, how, words in _pointed(text):
        point = read_point(words, now)
        if point is not None and (in_past or _asks_back(asked, how, point)):
            yield PastQuestion(Asks.BEFORE if how in _BEFORE else Asks.AT, _question(asked), phrase, point)


def _pointed(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield what may be the question, the phrase with its preposition, and the words for a point in time."""
    for found in _DATED.finditer(text):
        yield text[: found.start()], text[found.start("phrase") :], found["how"].casefold(), text[found.end() :]
    if recent := _RECENT.search(text):
        yield text[: recent.start()], recent["point"], "", recent["point"]
    if first := _FIRST.fullmatch(text):
        yield first["asked"], first["phrase"], (first["how"] or "").casefold(), first["point"]


def _asks_back(asked: str, how: str, point: Point) -> bool:
    """Whether the words ask how something was then: "as of" says so itself, and "in 2.14" is no time at all.

    What happened in a whole year, and when or why something happened, is told by the documents of today.
    """
    if how == "as of":
        return True
    if _EVENT.match(asked) or (how not in _BEFORE and (isinstance(point, Label) or _is_long(point))):
        return False
    return (_WAS if how in _BEFORE else _STATE).search(asked) is not None


def _as_written(word: str) -> str:
    # A month has a capital, which tells May from may.
    return rf"\b{word.title()}\b" if word.casefold() in MONTHS else rf"(?i:(?<!\w){re.escape(word)}(?!\w))"


def _is_long(point: Point) -> bool:
    return isinstance(point, Span) and point.end - point.start > _LONGEST


def _question(asked: str) -> str:
    asked = asked.strip(" ,?")
    return asked[:1].upper() + asked[1:] + "?"
