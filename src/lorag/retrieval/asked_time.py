"""The time that a question asks for: now, a version, a date, or the past."""

import re
from dataclasses import dataclass

from lorag.knowledge.dates import MONTHS
from lorag.knowledge.succession import Dated, Version

_VERSION = re.compile(
    r"(?<![\w.,$\u20ac\u00a3-])v?(?P<dotted>\d+(?:\.\d+)+)(?![\w%]|[.,]\d|\s*%)"
    r"|\b(?:versions?|releases?)\s+v?(?P<named>\d+)(?![\w.,]*\d)|\bv(?P<short>\d+)\b",
    re.IGNORECASE,
)
_DATE = re.compile(
    rf"(?<![\w.-])(?:(?P<iso>(?:19|20)\d\d(?:-(?:0[1-9]|1[0-2])(?:-[0-3]\d)?)?)(?![\w-]|[.,]\d)"
    rf"|(?:(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\s+)?(?P<month>{'|'.join(MONTHS)})"
    rf"(?:\s+(?P<day_behind>[0-3]?\d)(?:st|nd|rd|th)?,?)?\s+(?P<year>(?:19|20)\d\d)\b)",
    re.IGNORECASE,
)
_PAST = re.compile(
    r"\b(?:previously|formerly|originally|historically|earlier|former|previous|no longer|back then|at that time|used to"
    r"|in the past|history of|(?:old|older|last|prior|outdated) (?:version|release|value|page|edition|rule)s?"
    r"|changed|change since|different from|(?:was|were|did|had)\b.*\bbefore)\b|\bbefore[\s?.]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class AskedTime:
    """The `version` or the date (`until`: YYYY, YYYY-MM or YYYY-MM-DD) that a question names.

    `past` if it asks for the past without saying which, or names several times.
    """

    version: Version | None = None
    until: str | None = None
    past: bool = False

    @property
    def is_named(self) -> bool:
        """Whether the question names a version or a date."""
        return self.version is not None or self.until is not None

    def is_before(self, page: Dated) -> bool:
        """Whether the page is later than what the question names."""
        if self.version is not None and page.versions:
            return all(version[: len(self.version)] > self.version for version in page.versions.values())
        return self.until is not None and page.date is not None and page.date[: len(self.until)] > self.until


def asked_time(question: str) -> AskedTime:
    """Return the time that a question asks for; English words only, versions and ISO dates in any language."""
    versions = {
        tuple(map(int, (found["dotted"] or found["named"] or found["short"]).split(".")))
        for found in _VERSION.finditer(question)
    }
    dates = {_iso(found) for found in _DATE.finditer(question)}
    if len(versions) > 1 or len(dates) > 1 or _PAST.search(question):
        return AskedTime(past=True)
    return AskedTime(next(iter(versions), None), next(iter(dates), None))


def without_time(question: str) -> str:
    """Return the question without the versions and dates that it names."""
    return _DATE.sub(" ", _VERSION.sub(" ", question))


def _iso(found: re.Match[str]) -> str:
    if found["iso"]:
        return found["iso"]
    day = found["day"] or found["day_behind"]
    month = MONTHS.index(found["month"].lower()) + 1
    return f"{found['year']}-{month:02}" + (f"-{int(day):02}" if day else "")
