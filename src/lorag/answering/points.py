"""Points in time as a question names them: a date, a week or month, a number of days ago, a release, a version."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lorag.knowledge.dates import MONTHS as FULL_MONTHS

MONTHS = (*FULL_MONTHS, *(name[:3] for name in FULL_MONTHS))
"""The months, in full and then short."""

_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_UNITS = {"day": 0, "week": 0, "month": 1}
"""The units of the calendar; the value is the number of months in one."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time from `start` up to `end`, which is not in it; both have a time zone.

    `is_near` if it was named from today, such as last week or May: then it is about the last months, whatever
    documents are about.
    """

    start: datetime
    end: datetime
    is_near: bool = False


@dataclass(frozen=True, slots=True)
class Generation:
    """A release, named by its number."""

    number: int


@dataclass(frozen=True, slots=True)
class Label:
    """A version, such as 2.14, which may be a tag in git."""

    name: str


Point = Span | Generation | Label


def read_point(text: str, now: datetime) -> Point | None:
    """Return the point that the whole text names, in UTC; None if it names none.

    Without a year, a day or month is the last one that has begun.
    """
    words = text.strip().rstrip(",.")
    for pattern, make in _READERS:
        if found := re.fullmatch(pattern, words, re.IGNORECASE):
            try:
                return make([group or "" for group in found.groups()], now)
            except ValueError:
                # There is no such day.
                continue
    return None


def _day(year: int, month: int, day: int) -> Span:
    start = datetime(year, month, day, tzinfo=UTC)
    return Span(start, start + timedelta(days=1))


def _month(year: int, month: int) -> Span:
    return Span(datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC))


def _last_begun(make: Callable[[int], Span], year: str, now: datetime) -> Span:
    """Return the span of that year; without one, that of the last year in which it has begun."""
    if year:
        return make(int(year))
    span = make(now.year)
    span = span if span.start <= now else make(now.year - 1)
    return Span(span.start, span.end, is_near=True)


def _named_day(day: str, month: str, year: str, now: datetime) -> Span:
    return _last_begun(lambda each: _day(each, _number_of(month), int(day)), year, now)


def _number_of(month: str) -> int:
    return MONTHS.index(month.casefold()) % 12 + 1


def _recent(unit: str, back: int, now: datetime) -> Span:
    """Return the day, week (from Monday) or month that is so many before the one of `now`."""
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if _UNITS[unit]:
        months = 12 * now.year + now.month - 1 - back
        span = _month(months // 12, months % 12 + 1)
        return Span(span.start, span.end, is_near=True)
    days = 7 if unit == "week" else 1
    start = today - timedelta(days=(today.weekday() if unit == "week" else 0) + days * back)
    return Span(start, start + timedelta(days=days), is_near=True)


def _count(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS.index(text.casefold()) + 1 if len(text) > 2 else 1


def _ago(number: str, unit: str, now: datetime) -> Span:
    """Return the day that was so long ago."""
    unit = unit.casefold()
    if not _UNITS[unit]:
        return _recent("day", _count(number) * (7 if unit == "week" else 1), now)
    start = _recent("month", _count(number), now).start
    span = _day(start.year, start.month, min(now.day, 28))
    return Span(span.start, span.end, is_near=True)


_MONTH = rf"({'|'.join(dict.fromkeys(MONTHS))})\.?"
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"((?:19|20)\d\d)"
_READERS: Sequence[tuple[str, Callable[[Sequence[str], datetime], Point]]] = (
    (rf"{_YEAR}-(\d\d)-(\d\d)", lambda g, now: _day(int(g[0]), int(g[1]), int(g[2]))),
    (rf"{_YEAR}-(\d\d)", lambda g, now: _month(int(g[0]), int(g[1]))),
    (_YEAR, lambda g, now: Span(_day(int(g[0]), 1, 1).start, _day(int(g[0]) + 1, 1, 1).start)),
    (rf"(?:the )?{_DAY}(?: of)? {_MONTH}(?:,? {_YEAR})?", lambda g, now: _named_day(g[0], g[1], g[2], now)),
    (rf"{_MONTH} {_DAY}(?:,? {_YEAR})?", lambda g, now: _named_day(g[1], g[0], g[2], now)),
    (
        rf"{_MONTH}(?:(?: of)?,? {_YEAR})?",
        lambda g, now: _last_begun(lambda year: _month(year, _number_of(g[0])), g[1], now),
    ),
    (r"(yesterday)", lambda g, now: _recent("day", 1, now)),
    (r"last (week|month)", lambda g, now: _recent(g[0].casefold(), 1, now)),
    (r"this (week|month)", lambda g, now: _recent(g[0].casefold(), 0, now)),
    (rf"(an?|\d{{1,3}}|{'|'.join(_NUMBERS)}) (day|week|month)s? ago", lambda g, now: _ago(g[0], g[1], now)),
    (r"(?:release|generation) #?(\d{1,6})", lambda g, now: Generation(int(g[0]))),
    (r"(?:[\w-]+ )?(v?\d+(?:\.\d+)+)", lambda g, now: Label(g[0])),
    (r"(?:[\w-]+ )?(?:version|release) (v?\d+(?:\.\d+)*)", lambda g, now: Label(g[0])),
)
"""What a point looks like, and what it means; the first that fits counts."""
