"""The date of a page: what it states of itself, or what its path says."""

import re
from collections.abc import Mapping
from datetime import date
from email.utils import parsedate_to_datetime

_KEYS = (
    "lastmod",
    "last_modified_at",
    "last_modified",
    "last_updated",
    "last_update",
    "updated",
    "modified",
    "date",
    "published",
)
"""The names that site generators give to the date of a page's last change, and then to the date of its first form."""


MONTHS = tuple("january february march april may june july august september october november december".split())
"""The months in English, in order."""

_IN_PATH = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?:(?P<gap>[-_/]?)(?P<month>0[1-9]|1[0-2])(?:(?P=gap)(?P<day>[0-3]\d))?)?(?!\d)"
)


def stated_date(metadata: Mapping[str, str]) -> str | None:
    """Return the date in a page's front matter as YYYY-MM-DD, that of its last change first; None without a valid one.

    Names differ in case, and in `-` for `_`, from one site generator to another. The date of an e-mail is that of its
    header.
    """
    values = {key.casefold().replace("-", "_"): value for key, value in metadata.items()}
    for key in _KEYS:
        if key in values and (found := _read(values[key])):
            return found
    return None


def date_of(document_id: str, metadata: Mapping[str, str]) -> str | None:
    """Return the date that a page states, else the one in its path, which may be a year (YYYY) or month (YYYY-MM) only.

    `2024-05-02-title.md`, `minutes/2026/03/02.md` and `20240502.txt` have one; None without any.
    """
    return stated_date(metadata) or _date_in(document_id)


def _read(value: str) -> str | None:
    try:
        return date.fromisoformat(value[:10]).isoformat()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value).date().isoformat()
    except ValueError:
        return None


def _date_in(path: str) -> str | None:
    for found in _IN_PATH.finditer(path):
        parts = [part for part in (found["year"], found["month"], found["day"]) if part]
        try:
            date(*map(int, [*parts, "1", "1"][:3]))
        except ValueError:
            continue
        return "-".join(parts)
    return None
