"""The immutable record of everything that an answer depends on, and its digests."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields, replace
from typing import Any

from lorag.digests import digest_of, digest_of_lines
from lorag.errors import IntegrityFailed
from lorag.knowledge.changes import compare_versions
from lorag.questions.coverage import Coverage
from lorag.retrieval.index.store import IndexRef, IndexRow
from lorag.strategies import AdapterKind

FORMAT = 5
"""The format of the record; all earlier ones can still be read.

Format 1 had no adapters, 2 no coverage, 3 no ages of documents, 4 no number of updates.
"""


class NewerFormat(IntegrityFailed):
    """A record that a later version wrote; nothing is damaged."""


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document in a release.

    `generation` is the number of the release that first had this content, and `since_utc` is when that release was
    made; both are None in a release of an earlier version of lorag.
    """

    version: str
    title: str
    generation: int | None = None
    since_utc: str | None = None


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """An adapter in a release.

    `sha256` is over weights and config. `documents` maps each document that it was trained on to the version it saw;
    `facts_digest` names the facts. `gate` holds the value of each probe before the adapter was published. `coverage`
    is that of the knowledge at that time; None for an adapter of an earlier version.
    """

    id: str
    sha256: str
    base_model_sha256: str
    training_set_digest: str
    facts_digest: str
    documents: Mapping[str, str]
    gate: Mapping[str, float]
    coverage: Coverage | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "AdapterEntry":
        """Read the plain values of an entry; raises KeyError or TypeError for others."""
        coverage = value.get("coverage")
        return cls(**{**value, "coverage": None if coverage is None else Coverage(**coverage)})


@dataclass(frozen=True, slots=True)
class Release:
    """A served state: one generation of the index and the adapters, with everything that made them.

    `generation` counts releases: a retrain makes a new one over the same `index`, whose own generation stays.
    `content_digest` names the indexed content and is equal for equal content on any machine and in any store;
    `vectors_digest` shows that this index is intact and is compared with itself only. `base_model_sha256` names the
    base model of the adapters; None without adapters. `n_updates` counts the refreshes up to this release that changed
    the documents, as far as lorag counted them, without the first build.
    """

    generation: int
    index: IndexRef
    content_digest: str
    vectors_digest: str
    corpus_digest: str
    params_digest: str
    embedder_fingerprint: str
    embedder_model: str
    embedder_sha256: str
    base_model_sha256: str | None
    git_commit: str | None
    created_utc: str
    n_chunks: int
    recall_at_10: float | None = None
    documents: Mapping[str, DocumentEntry] = field(default_factory=dict)
    adapters: Mapping[AdapterKind, AdapterEntry] = field(default_factory=dict)
    n_updates: int = 0

    @property
    def id(self) -> str:
        """The generation and a digest of the content, so that a rerun after a kill gives the same name."""
        content: list[Any] = [self.content_digest, self.corpus_digest, self.params_digest]
        # Without adapters the id stays the one that format 1 gave.
        if self.adapters:
            content.append({kind: entry.sha256 for kind, entry in self.adapters.items()})
        return f"{self.generation:06d}-{digest_of(content)[:10]}"

    def to_json(self) -> dict[str, Any]:
        """Return plain values with the format's number and the record's own digest."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        record["index"] = self.index.to_json()
        record["documents"] = {key: list(astuple(entry)) for key, entry in self.documents.items()}
        record["adapters"] = {kind.value: asdict(entry) for kind, entry in self.adapters.items()}
        return {"format": FORMAT, "id": self.id, "release": record, "sha256": digest_of(record)}

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> "Release":
        """Read what `to_json` returned; raises IntegrityFailed naming `where` for a damaged or too new record."""
        try:
            if value["format"] > FORMAT:
                raise NewerFormat(
                    f"a release of format {value['format']}, newer than this lorag reads ({FORMAT})",
                    where=where,
                    do="update lorag",
                )
            if value["format"] < 1:
                raise ValueError("no known format")
            record = dict(value["release"])
            if digest_of(record) != value["sha256"]:
                raise IntegrityFailed("the release record does not match its digest", where=where, do=_MEND)
            record["index"] = IndexRef.from_json(record["index"])
            record["documents"] = {key: DocumentEntry(*entry) for key, entry in record["documents"].items()}
            adapters = record.get("adapters", {})
            record["adapters"] = {AdapterKind(kind): AdapterEntry.from_json(entry) for kind, entry in adapters.items()}
            if value["format"] == 1:
                # Format 1 had these fields and never filled them.
                del record["adapter_id"], record["adapter_sha256"]
            release = cls(**record)
            if release.id != value["id"]:
                raise IntegrityFailed("the release record has the id of another one", where=where, do=_MEND)
            release.check_base_model()
            return release
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityFailed(f"damaged release record: {error!r}", where=where, do=_MEND) from error

    def check_base_model(self) -> None:
        """Raise IntegrityFailed for an adapter that was trained on another base model than the release names."""
        for kind, entry in self.adapters.items():
            if entry.base_model_sha256 != self.base_model_sha256:
                raise IntegrityFailed(
                    f"the {kind} adapter was trained on base model {entry.base_model_sha256[:12]}, the release names "
                    f"{(self.base_model_sha256 or 'none')[:12]}",
                    where=self.id,
                    do="set generation.model back, or run `lorag retrain`",
                )


_MEND = "run `lorag doctor`, then `lorag rollback` or `lorag refresh`"


def date_documents(
    documents: Mapping[str, DocumentEntry], earlier: Sequence[Release], generation: int, created_utc: str
) -> dict[str, DocumentEntry]:
    """Return the documents of a new release with the release that first had their content.

    A document that the newest of the `earlier` releases (newest first) has with the same content, also under another
    name, keeps what is known there. If that release does not say it, the oldest one since which the content is the same
    counts.
    """
    if not earlier:
        return {key: replace(one, generation=generation, since_utc=created_utc) for key, one in documents.items()}
    newest, *older = earlier
    known = newest.documents
    if any(entry.generation is None for entry in known.values()):
        known = date_documents(known, older, newest.generation, newest.created_utc)
    versions = ({key: entry.version for key, entry in each.items()} for each in (known, documents))
    before_rename = {new: old for old, new in compare_versions(*versions).renamed}

    def dated(key: str, entry: DocumentEntry) -> DocumentEntry:
        before = known.get(before_rename.get(key, key))
        if before is None or before.version != entry.version:
            return replace(entry, generation=generation, since_utc=created_utc)
        return replace(entry, generation=before.generation, since_utc=before.since_utc)

    return {key: dated(key, entry) for key, entry in documents.items()}


def count_updates(corpus_digest: str, earlier: Sequence[Release]) -> int:
    """Return the updates up to a new release with this corpus; `earlier` are the releases before it, newest first."""
    if not earlier:
        return 0
    return earlier[0].n_updates + (corpus_digest != earlier[0].corpus_digest)


def content_digest(entries: Iterable[tuple[str, str, str]]) -> str:
    """Return the digest over (chunk id, content hash, embedder fingerprint) in any order."""
    return digest_of_lines(" ".join(entry) for entry in sorted(entries))


def digest_rows(rows: Iterable[IndexRow]) -> tuple[str, str, int]:
    """Return content digest, vectors digest and count of rows that come sorted by chunk id.

    The content hash is computed from the stored text again, so a changed byte is detected.
    """
    vectors = hashlib.sha256()
    entries = []
    for row in rows:
        entries.append((row.chunk.id, row.chunk.content_hash, row.fingerprint))
        vectors.update(row.chunk.id.encode())
        vectors.update(row.vector.astype("<f4", copy=False).tobytes())
    return content_digest(entries), vectors.hexdigest(), len(entries)
