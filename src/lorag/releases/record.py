"""One immutable record of all that an answer depended on, and the digests in it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from lorag.digests import digest_of, digest_of_lines
from lorag.errors import IntegrityFailed
from lorag.retrieval.index.store import IndexRef, IndexRow
from lorag.strategies import AdapterKind

FORMAT = 2
"""Format 1 knew no adapters; it is still read."""


class NewerFormat(IntegrityFailed):
    """Written by a later version; nothing is damaged."""


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document as this release knows it."""

    version: str
    title: str


@dataclass(frozen=True, slots=True)
class AdapterEntry:
    """An adapter as this release knows it.

    `sha256` is over weights and config. `documents` maps each document that it was trained on to the version it saw;
    `facts_digest` names the facts. `gate` holds what each probe measured before it was published.
    """

    id: str
    sha256: str
    base_model_sha256: str
    training_set_digest: str
    facts_digest: str
    documents: Mapping[str, str]
    gate: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Release:
    """What is served: one generation of the index and the adapters, with everything that made them.

    `generation` counts releases: a retrain makes a new one over the same `index`, whose own generation stays.
    `content_digest` says what is indexed and is equal for equal content on any machine and in any store;
    `vectors_digest` says that this index is intact and is compared with itself only. `base_model_sha256` names the
    model that the adapters go on top of; None without adapters.
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

    @property
    def id(self) -> str:
        """Generation and content, so that the same run again after a kill gives the same name."""
        content: list[Any] = [self.content_digest, self.corpus_digest, self.params_digest]
        # Without adapters the name that format 1 gave it.
        if self.adapters:
            content.append({kind: entry.sha256 for kind, entry in self.adapters.items()})
        return f"{self.generation:06d}-{digest_of(content)[:10]}"

    def to_json(self) -> dict[str, Any]:
        """Plain values with the format's number and the record's own digest."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        record["index"] = self.index.to_json()
        record["documents"] = {key: [entry.version, entry.title] for key, entry in self.documents.items()}
        record["adapters"] = {kind.value: asdict(entry) for kind, entry in self.adapters.items()}
        return {"format": FORMAT, "id": self.id, "release": record, "sha256": digest_of(record)}

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> "Release":
        """The inverse of `to_json`; raises IntegrityFailed naming `where` for anything damaged or too new."""
        try:
            if value["format"] > FORMAT:
                raise NewerFormat(
                    f"a release of format {value['format']}, newer than this lorag reads ({FORMAT})",
                    where=where,
                    do="update lorag",
                )
            record = dict(value["release"])
            if digest_of(record) != value["sha256"]:
                raise IntegrityFailed("the release record does not match its digest", where=where, do=_MEND)
            record["index"] = IndexRef.from_json(record["index"])
            record["documents"] = {key: DocumentEntry(*entry) for key, entry in record["documents"].items()}
            adapters = record.get("adapters", {})
            record["adapters"] = {AdapterKind(kind): AdapterEntry(**entry) for kind, entry in adapters.items()}
            if value["format"] == 1:
                # Announced in that format and never filled.
                del record["adapter_id"], record["adapter_sha256"]
            release = cls(**record)
            release.check_base_model()
            return release
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityFailed(f"damaged release record: {error!r}", where=where, do=_MEND) from error

    def check_base_model(self) -> None:
        """Raises IntegrityFailed for an adapter that was trained on another base model than the release names."""
        for kind, entry in self.adapters.items():
            if entry.base_model_sha256 != self.base_model_sha256:
                raise IntegrityFailed(
                    f"the {kind} adapter was trained on base model {entry.base_model_sha256[:12]}, the release names "
                    f"{(self.base_model_sha256 or 'none')[:12]}",
                    where=self.id,
                    do="set generation.model back, or run `lorag retrain`",
                )


_MEND = "run `lorag doctor`, then `lorag rollback` or `lorag refresh`"


def content_digest(entries: Iterable[tuple[str, str, str]]) -> str:
    """Over (chunk id, content hash, embedder fingerprint) in any order."""
    return digest_of_lines(" ".join(entry) for entry in sorted(entries))


def digest_rows(rows: Iterable[IndexRow]) -> tuple[str, str, int]:
    """Content digest, vectors digest and count of rows that come sorted by chunk id.

    The content hash is worked out from the stored text again, so a changed byte shows.
    """
    vectors = hashlib.sha256()
    entries = []
    for row in rows:
        entries.append((row.chunk.id, row.chunk.content_hash, row.fingerprint))
        vectors.update(row.chunk.id.encode())
        vectors.update(row.vector.astype("<f4", copy=False).tobytes())
    return content_digest(entries), vectors.hexdigest(), len(entries)
