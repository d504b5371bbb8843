"""The work of a refresh, planned before anything is written."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lorag.knowledge.documents import Chunk
from lorag.retrieval.index.store import IndexEntry


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """The number of chunks by what happens to them; `added + changed + kept` is the size of the new generation."""

    added: int
    changed: int
    removed: int
    kept: int


@dataclass(frozen=True, slots=True)
class RefreshPlan:
    """Chunk ids by what happens to them, each tuple sorted.

    `write` and `delete` are the work of the store: an id in both is overwritten. `counts` is for a person: in it a
    chunk that was replaced within its document counts as changed.
    """

    write: tuple[str, ...]
    delete: tuple[str, ...]
    keep: tuple[str, ...]
    counts: PlanCounts

    @property
    def is_noop(self) -> bool:
        """Whether the store already holds exactly the wanted chunks."""
        return not self.write and not self.delete


def plan_refresh(wanted: Iterable[Chunk], fingerprint: str, indexed: Mapping[str, IndexEntry]) -> RefreshPlan:
    """Compare the wanted chunks with the indexed ones, by id, content hash and embedder fingerprint together.

    An id names a chunk within its document, so equal text in another document never counts as this chunk. Deletes are
    computed against all wanted chunks at once, never by batch.
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
