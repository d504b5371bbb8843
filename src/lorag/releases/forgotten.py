"""The ledger of forgotten documents: without any text of them, it keeps them out of answers, refreshes and training."""

import hmac
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from lorag.digests import digest_of
from lorag.errors import IntegrityFailed
from lorag.releases.durable import write_json_durably, writer_lock
from lorag.releases.record import AdapterEntry, DocumentEntry
from lorag.strategies import AdapterKind

LEDGER = "forgotten.json"
"""The name of the ledger in the folder of served state."""

_WAIT_S = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A forgotten document: keyed digests of its names and of its contents, and the adapters that left service for it.

    The key is `salt`, so nobody reads a name or a text here. Who has the file can still test a name that they guess.
    """

    salt: str
    names: tuple[str, ...]
    contents: tuple[str, ...]
    forgotten_utc: str
    adapters: tuple[AdapterKind, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Entry":
        """Read plain values; raises KeyError, TypeError or ValueError for others."""
        kinds = tuple(AdapterKind(kind) for kind in value["adapters"])
        return cls(value["salt"], tuple(value["names"]), tuple(value["contents"]), value["forgotten_utc"], kinds)


@dataclass(frozen=True)
class Forgotten:
    """The forgotten documents of a workspace."""

    entries: tuple[Entry, ...] = field(default=())

    def names(self, document_id: str) -> bool:
        """Whether a document of this id was forgotten."""
        return any(_keyed(salt, document_id) in found for salt, found in self._names.items())

    def has_content(self, digest: str) -> bool:
        """Whether a document with these bytes (their sha256) or with this version was forgotten."""
        return any(_keyed(salt, digest) in found for salt, found in self._contents.items())

    def covers(self, document_id: str, version: str) -> bool:
        """Whether this document must not be used: its id was forgotten, or its content was, under whatever name."""
        return self.names(document_id) or self.has_content(version)

    def covered(self, documents: Mapping[str, DocumentEntry]) -> frozenset[str]:
        """Return the ids of the documents of a release that must not be used."""
        if not self.entries:
            return frozenset()
        return frozenset(name for name, entry in documents.items() if self.covers(name, entry.version))

    def taught(self, documents: Mapping[str, str]) -> bool:
        """Whether an adapter with this lineage, ids to versions, may have learned from one; an unknown one may have."""
        if not self.entries:
            return False
        return not documents or any(self.covers(name, version) for name, version in documents.items())

    def clean(self, adapters: Mapping[AdapterKind, AdapterEntry]) -> dict[AdapterKind, AdapterEntry]:
        """Return the adapters that have learned from no forgotten document."""
        return {kind: entry for kind, entry in adapters.items() if not self.taught(entry.documents)}

    def adding(
        self, names: Iterable[str], contents: Iterable[str], adapters: Iterable[AdapterKind] = ()
    ) -> "Forgotten":
        """Return the ledger with this document, too; an entry for one of its names gets what is new."""
        names = list(names)
        same = [entry for entry in self.entries if any(_keyed(entry.salt, name) in entry.names for name in names)]
        salt = next((entry.salt for entry in (*same, *self.entries)), None) or secrets.token_hex(16)
        before = same[0] if same else Entry(salt, (), (), datetime.now(UTC).isoformat(timespec="seconds"))
        entry = replace(
            before,
            names=_joined(before.names, (_keyed(before.salt, name) for name in names)),
            contents=_joined(before.contents, (_keyed(before.salt, digest) for digest in contents)),
            adapters=tuple(sorted({*before.adapters, *adapters})),
        )
        return Forgotten((*(each for each in self.entries if each is not before), entry))

    def left_service(self) -> frozenset[AdapterKind]:
        """Return the kinds of adapters of which one left service because a document was forgotten."""
        return frozenset(kind for entry in self.entries for kind in entry.adapters)

    @cached_property
    def digest(self) -> str:
        """The digest of the ledger; empty if nothing was forgotten."""
        return digest_of([asdict(entry) for entry in self.entries]) if self.entries else ""

    @cached_property
    def _names(self) -> Mapping[str, frozenset[str]]:
        return _by_salt((entry.salt, entry.names) for entry in self.entries)

    @cached_property
    def _contents(self) -> Mapping[str, frozenset[str]]:
        return _by_salt((entry.salt, entry.contents) for entry in self.entries)


def read_forgotten(state: Path) -> Forgotten:
    """Read the ledger in the folder of served state; an empty one if nothing was forgotten.

    Raises IntegrityFailed for a damaged one: what may be used is then not known.
    """
    return read_ledger(state / LEDGER)


def read_ledger(path: Path) -> Forgotten:
    """Read a ledger file as `read_forgotten` does."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["sha256"] != digest_of(value["entries"]):
            raise ValueError("it does not match its digest")
        return Forgotten(tuple(Entry.from_json(entry) for entry in value["entries"]))
    except FileNotFoundError:
        return Forgotten()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IntegrityFailed(
            f"damaged ledger of forgotten documents: {error!r}",
            where=str(path),
            do="take it from a backup; without it, forgotten documents would come back",
        ) from error


def forget(state: Path, names: Iterable[str], contents: Iterable[str], adapters: Iterable[AdapterKind] = ()) -> None:
    """Add a document to the ledger; once this returns, no reader uses it. A document that is there gets what is new."""
    with writer_lock(state / "forgotten.lock", wait_s=_WAIT_S):
        known = read_forgotten(state)
        if (new := known.adding(names, contents, adapters)) != known:
            _write(state, new.entries)


def allow_again(state: Path, document_id: str, contents: Collection[str]) -> bool:
    """Take a document out of the ledger; return False if nothing of its name or its contents is in it."""
    with writer_lock(state / "forgotten.lock", wait_s=_WAIT_S):
        known = read_forgotten(state).entries
        kept = [
            entry
            for entry in known
            if _keyed(entry.salt, document_id) not in entry.names
            and not any(_keyed(entry.salt, digest) in entry.contents for digest in contents)
        ]
        if len(kept) < len(known):
            _write(state, kept)
        return len(kept) < len(known)


def add_all(state: Path, other: Forgotten) -> None:
    """Add the entries of another ledger, as that of the workspace from which an older backup was made."""
    with writer_lock(state / "forgotten.lock", wait_s=_WAIT_S):
        known = read_forgotten(state).entries
        if new := [entry for entry in other.entries if entry not in known]:
            _write(state, [*known, *new])


def _write(state: Path, entries: Collection[Entry]) -> None:
    plain = [asdict(entry) for entry in entries]
    write_json_durably(state / LEDGER, {"entries": plain, "sha256": digest_of(plain)})


def _keyed(salt: str, value: str) -> str:
    return hmac.digest(bytes.fromhex(salt), value.encode("utf-8", "surrogatepass"), "sha256").hex()


def _joined(before: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*before, *new}))


def _by_salt(found: Iterable[tuple[str, Collection[str]]]) -> dict[str, frozenset[str]]:
    groups: dict[str, frozenset[str]] = {}
    for salt, digests in found:
        groups[salt] = groups.get(salt, frozenset()) | frozenset(digests)
    return groups
