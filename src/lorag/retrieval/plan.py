"""What a refresh has to do, worked out before anything is written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import IndexEntry


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """Chunks by what becomes of them; `added + changed + kept` is the size of the new generation."""

    added: int
    changed: int
    removed: int
    kept: int


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """Chunk ids by what becomes of them, each tuple sorted.

    `write` and `delete` are what the store has to do: an id in both is written over. `counts` says the same in the
    words of a person, for whom a chunk replaced within its document has changed.
    """

    write: tuple[str, ...]
    delete: tuple[str, ...]
    keep: tuple[str, ...]
    counts: PlanCounts

    @property
    def is_noop(self) -> bool:
        """Whether the store already holds just what is wanted."""
        return not self.write and not self.delete


def plan_refresh(wanted: Iterable[Chunk], fingerprint: str, indexed: Mapping[str, IndexEntry]) -> RefreshPlan:
    """Compares the wanted chunks with what is indexed, by id, content hash and embedder fingerprint together.

    An id names a chunk within its document, so equal text in two documents never makes one stand for the other.
    Deletes are worked out against all wanted chunks at once: never by batch.
    """
    chunks = {chunk.id: chunk for chunk in wanted}
    keep, write, delete = [], [], []
    for chunk_id, chunk in chunks.items():
        entry = indexed.get(chunk_id)
        if entry is None:
            write.append(chunk_id)
        elif (entry.content_hash, entry.fingerprint) == (chunk.content_hash, fingerprint):
            keep.append(chunk_id)
        else:
            write.append(chunk_id)
            delete.append(chunk_id)
    delete += [chunk_id for chunk_id in indexed if chunk_id not in chunks]
    counts = _count_for_a_person(chunks, indexed, write, delete, len(keep))
    return RefreshPlan(tuple(sorted(write)), tuple(sorted(delete)), tuple(sorted(keep)), counts)


def _count_for_a_person(
    chunks: Mapping[str, Chunk], indexed: Mapping[str, IndexEntry], write: list[str], delete: list[str], kept: int
) -> PlanCounts:
    written = Counter(chunks[chunk_id].document_id for chunk_id in write)
    deleted = Counter(indexed[chunk_id].document_id for chunk_id in delete)
    changed = (written & deleted).total()
    return PlanCounts(added=len(write) - changed, changed=changed, removed=len(delete) - changed, kept=kept)
