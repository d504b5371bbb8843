"""The retained releases as a past that can be asked."""

from collections.abc import Sequence
from datetime import UTC, datetime

from lorag.releases.record import DocumentEntry, Release


def made_at(release: Release) -> datetime:
    """Return when the release was made."""
    return read_time(release.created_utc)


def read_time(utc: str) -> datetime:
    """Return the time of a record; one without a time zone is in UTC."""
    found = datetime.fromisoformat(utc)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def newest_before(releases: Sequence[Release], end: datetime) -> Release | None:
    """Return the release that was served until `end`: the newest made before; None if all were made later.

    `releases` come newest first.
    """
    return next((release for release in releases if made_at(release) < end), None)


def first_known(releases: Sequence[Release]) -> datetime:
    """Return since when there have been releases, as far as those that are retained tell, by the age of their pages."""
    pages = (entry.since_utc for release in releases for entry in release.documents.values() if entry.since_utc)
    return min([*map(made_at, releases), *map(read_time, pages)])


def entry_of(release: Release, name: str, version: str) -> DocumentEntry | None:
    """Return the entry of a document in a release if it has that content there, also under another name."""
    if (entry := release.documents.get(name)) and entry.version == version:
        return entry
    return next((entry for entry in release.documents.values() if entry.version == version), None)
