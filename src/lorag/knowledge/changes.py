"""The difference between two versions of a corpus."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CorpusChanges:
    """The changed document ids, sorted; `renamed` holds pairs (old id, new id) of documents with the same content."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    renamed: tuple[tuple[str, str], ...]

    @property
    def is_empty(self) -> bool:
        """Whether the two versions are the same."""
        return not (self.added or self.changed or self.removed or self.renamed)


def compare_versions(before: Mapping[str, str], after: Mapping[str, str]) -> CorpusChanges:
    """Compare two maps from document id to content version; a rename is neither an addition nor a removal."""
    gone: dict[str, list[str]] = defaultdict(list)
    for name in sorted(before.keys() - after.keys(), reverse=True):
        gone[before[name]].append(name)
    renamed, added = [], []
    for name in sorted(after.keys() - before.keys()):
        candidates = gone[after[name]]
        if candidates:
            renamed.append((candidates.pop(), name))
        else:
            added.append(name)
    removed = sorted(name for names in gone.values() for name in names)
    changed = sorted(name for name in before.keys() & after.keys() if before[name] != after[name])
    return CorpusChanges(tuple(added), tuple(changed), tuple(removed), tuple(renamed))
