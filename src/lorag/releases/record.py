"""One immutable record of all that an answer depended on, and the digests in it."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lorag.digests import digest_of, digest_of_lines
from lorag.errors import IntegrityFailed
from lorag.retrieval.index.store import IndexRef, IndexRow

FORMAT = 1


@dataclass(frozen=True, slots=True)
class DocumentEntry:
    """A document as this release knows it."""

    version: str
    title: str


@dataclass(frozen=True, slots=True)
class Release:
    """What is served: one generation of the index with everything that made it.

    `content_digest` says what is indexed and is equal for equal content on any machine and in any store;
    `vectors_digest` says that this index is intact and is compared with itself only. Later releases of the format add
    an adapter; `adapter_id` and `adapter_sha256` are None for a release without one.
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
    adapter_id: str | None = None
    adapter_sha256: str | None = None
    documents: Mapping[str, DocumentEntry] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Generation and content, so that the same run again after a kill gives the same name."""
        return f"{self.generation:06d}-{digest_of([self.content_digest, self.corpus_digest, self.params_digest])[:10]}"

    def to_json(self) -> dict[str, Any]:
        """Plain values with the format's number and the record's own digest."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        record["index"] = self.index.to_json()
        record["documents"] = {key: [entry.version, entry.title] for key, entry in self.documents.items()}
        return {"format": FORMAT, "id": self.id, "release": record, "sha256": digest_of(record)}

    @classmethod
    def from_json(cls, value: Any, *, where: str) -> "Release":
        """The inverse of `to_json`; raises IntegrityFailed naming `where` for anything damaged or too new."""
        try:
            if value["format"] > FORMAT:
                raise IntegrityFailed(
                    f"a release of format {value['format']}, newer than this lorag reads ({FORMAT})",
                    where=where,
                    do="update lorag",
                )
            record = dict(value["release"])
            if digest_of(record) != value["sha256"]:
                raise IntegrityFailed("the release record does not match its digest", where=where, do=_MEND)
            record["index"] = IndexRef.from_json(record["index"])
            record["documents"] = {key: DocumentEntry(*entry) for key, entry in record["documents"].items()}
            return cls(**record)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise IntegrityFailed(f"damaged release record: {error!r}", where=where, do=_MEND) from error


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
