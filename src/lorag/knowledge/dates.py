"""The date that a page states of itself."""

from collections.abc import Mapping
from datetime import date

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


def stated_date(metadata: Mapping[str, str]) -> str | None:
    """Return the date in a page's front matter as YYYY-MM-DD, that of its last change first; None without a valid one.

    Names differ in case, and in `-` for `_`, from one site generator to another.
    """
    values = {key.casefold().replace("-", "_"): value for key, value in metadata.items()}
    for key in _KEYS:
        try:
            return date.fromisoformat(values.get(key, "")[:10]).isoformat()
        except ValueError:
            continue
    return None
