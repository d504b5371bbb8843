"""What a person should know about a source beside its documents: what was not read, what is a copy, what is odd."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, TypeVar

from lorag.knowledge.documents import Document, Flag, Reason, Rejected

_FIRST = 3
_Key = TypeVar("_Key", bound=str)


@dataclass(frozen=True, slots=True)
class Named:
    """How many files or documents share a property, and the first of their names."""

    count: int
    first: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceReport:
    """The kinds of files that are not read by suffix, the copies of each document by id, and the flagged documents.

    `without_page` are the questions that name a page which is not among the documents, by their ids. `forgotten` are
    the files that are left out because they were forgotten. `pending` are those that wait until their folder, which is
    new, is approved, by that folder.
    """

    not_read: Mapping[str, Named]
    copies: Mapping[str, tuple[str, ...]]
    flagged: Mapping[Flag, Named]
    without_page: Named = Named(0, ())
    forgotten: Named = Named(0, ())
    pending: Mapping[str, Named] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the keys that `lorag refresh --json` and `lorag status --json` share."""
        return {
            "not_read": [
                {"suffix": suffix, "count": found.count, "first": list(found.first)}
                for suffix, found in self.not_read.items()
            ],
            "copies": [{"id": name, "copies": list(names)} for name, names in self.copies.items()],
            "flagged": [
                {"flag": flag.value, "count": found.count, "first": list(found.first)}
                for flag, found in self.flagged.items()
            ],
            "questions_without_page": {
                "count": self.without_page.count,
                "first": list(self.without_page.first),
            },
            "forgotten": {"count": self.forgotten.count, "first": list(self.forgotten.first)},
            "pending_folders": [
                {"folder": folder, "count": found.count, "first": list(found.first)}
                for folder, found in self.pending.items()
            ],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "SourceReport":
        """The inverse of `to_json`; raises KeyError, TypeError or ValueError on anything else."""
        return cls(
            {item["suffix"]: Named(item["count"], tuple(item["first"])) for item in value["not_read"]},
            {item["id"]: tuple(item["copies"]) for item in value["copies"]},
            {Flag(item["flag"]): Named(item["count"], tuple(item["first"])) for item in value["flagged"]},
            Named(value["questions_without_page"]["count"], tuple(value["questions_without_page"]["first"])),
            Named(value["forgotten"]["count"], tuple(value["forgotten"]["first"])),
            {item["folder"]: Named(item["count"], tuple(item["first"])) for item in value["pending_folders"]},
        )


def report_on_source(
    documents: Iterable[Document],
    rejected: Iterable[Rejected],
    asked: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> SourceReport:
    """Return the report on a corpus: kinds and flags with the most files first, names sorted.

    `asked` maps the ids of questions to the pages that they name.
    """
    kinds: dict[str, list[str]] = defaultdict(list)
    left_out = []
    pending: dict[str, list[str]] = defaultdict(list)
    for item in rejected:
        if item.reason is Reason.FORGOTTEN:
            left_out.append(item.name)
        if item.reason is Reason.PENDING:
            pending[folder_of(item.name)].append(item.name)
        if item.reason is Reason.UNSUPPORTED:
            kinds[PurePosixPath(item.name).suffix.lower() or "no suffix"].append(item.name)
    copies: dict[str, tuple[str, ...]] = {}
    flagged: dict[Flag, list[str]] = defaultdict(list)
    names: set[str] = set()
    for document in documents:
        names.update((document.id, *document.sources))
        if len(document.sources) > 1:
            copies[document.id] = document.sources[1:]
        for flag in document.flags:
            flagged[flag].append(document.id)
    lost = [question for question, pages in asked.items() if not names.issuperset(pages)]
    without_page = Named(len(lost), tuple(lost[:_FIRST]))
    forgotten = Named(len(left_out), tuple(sorted(left_out)[:_FIRST]))
    same = dict(sorted(copies.items()))
    return SourceReport(_named(kinds), same, _named(flagged), without_page, forgotten, _named(pending))


def folder_of(name: str) -> str:
    """Return the folder of a file of the source, `.` for the source itself."""
    return PurePosixPath(name).parent.as_posix()


def _named(groups: Mapping[_Key, list[str]]) -> dict[_Key, Named]:
    ordered = sorted(groups.items(), key=lambda item: (-len(item[1]), item[0]))
    return {key: Named(len(names), tuple(sorted(names)[:_FIRST])) for key, names in ordered}
