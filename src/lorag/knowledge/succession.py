"""The order of pages that tell the same at different times: what a page states of it, and what its path does."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import permutations

from lorag.knowledge.dates import date_of

Version = tuple[int, ...]

_VERSION = re.compile(r"v?\d+(?:\.\d+)+|v\d+|(?:19|20)\d\d(?:-[01]\d(?:-[0-3]\d)?)?", re.IGNORECASE)
_NEWEST = frozenset({"latest", "current", "stable"})
_NUMBER = re.compile(r"\d+")
_SUFFIX = re.compile(r"\.[A-Za-z]{2,8}$")


class Succession(StrEnum):
    """Why a page is newer than another: it says so, its folder is a later version, or it has the later date."""

    DECLARED = "declared"
    VERSION = "version"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Dated:
    """What tells the time of a page.

    `date` is YYYY-MM-DD, or a year or month alone if only the path names it. `versions` maps the path with a version
    folder left out to the version in that place. `replaces` and `replaced_by` are names of other pages, as written.
    """

    id: str
    title: str
    date: str | None
    versions: Mapping[str, Version]
    replaces: tuple[str, ...]
    replaced_by: tuple[str, ...]


def when(document_id: str, title: str, metadata: Mapping[str, str]) -> Dated:
    """Return what the metadata and the path of a page tell of its time."""
    return Dated(
        document_id,
        title.casefold(),
        date_of(document_id, metadata),
        _versions_in(document_id),
        _names_in(metadata, "supersedes"),
        _names_in(metadata, "superseded_by"),
    )


def succession(old: Dated, new: Dated) -> Succession | None:
    """Return why `new` is a later state of `old`; None if it is not, or if that cannot be known.

    What a page says of another counts more than their paths, and paths count more than dates. A date counts only
    between pages of one title: a later page on something else replaces nothing.
    """
    forth = _names(new.replaces, new, old) or _names(old.replaced_by, old, new)
    back = _names(old.replaces, old, new) or _names(new.replaced_by, new, old)
    if forth or back:
        return Succession.DECLARED if not back else None
    if shared := old.versions.keys() & new.versions.keys():
        return Succession.VERSION if all(old.versions[key] < new.versions[key] for key in shared) else None
    if old.title and old.title == new.title and old.date and new.date:
        length = min(len(old.date), len(new.date))
        return Succession.DATE if old.date[:length] < new.date[:length] else None
    return None


def successions(pages: Sequence[Dated]) -> dict[tuple[str, str], Succession]:
    """Return the reason for each pair of ids of which the second page is a later state of the first."""
    groups: dict[tuple[str, str], list[Dated]] = defaultdict(list)
    for page in pages:
        if page.date:
            groups["title", page.title].append(page)
        for path in page.versions:
            groups["path", path].append(page)
    pairs = [pair for group in groups.values() for pair in permutations(group, 2)]
    says = [page for page in pages if page.replaces or page.replaced_by]
    pairs += [pair for one in says for other in pages if one is not other for pair in ((one, other), (other, one))]
    return {(old.id, new.id): reason for old, new in pairs if (reason := succession(old, new))}


def _versions_in(document_id: str) -> dict[str, Version]:
    """Return the version of each folder that names one, by the path with that folder left out."""
    *folders, name = document_id.split("/")
    found = {}
    for at, folder in enumerate(folders):
        version = _version_of(folder)
        if version is not None:
            found["/".join([*folders[:at], "*", *folders[at + 1 :], name])] = version
    return found


def _version_of(folder: str) -> Version | None:
    if folder.casefold() in _NEWEST:
        return (10**9,)
    return tuple(map(int, _NUMBER.findall(folder))) if _VERSION.fullmatch(folder) else None


def _names_in(metadata: Mapping[str, str], wanted: str) -> tuple[str, ...]:
    for key, value in metadata.items():
        if key.casefold().replace("-", "_") == wanted:
            return tuple(name for item in value.split(",") if (name := item.strip()))
    return ()


def _names(names: tuple[str, ...], by: Dated, other: Dated) -> bool:
    """Whether one of the names that page `by` writes is `other`: its id, or its path from the folder of `by`."""
    folder = posixpath.dirname(by.id)
    written = {posixpath.normpath(path).strip("/") for name in names for path in (name, posixpath.join(folder, name))}
    return not written.isdisjoint({other.id, _SUFFIX.sub("", other.id)})
