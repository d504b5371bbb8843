"""How current it is what the service retrieved, by the questions that it keeps."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from lorag.knowledge.changes import CorpusChanges
from lorag.releases.record import Release
from lorag.use_cases.serve.query_log import Query


@dataclass(frozen=True, slots=True)
class StaleRetrieval:
    """Of `passages` that were retrieved from a release, `stale` are of documents that changed or are gone since."""

    passages: int
    stale: int

    def to_json(self) -> dict[str, Any]:
        """Return plain values with the rate."""
        return {"passages": self.passages, "stale": self.stale, "rate": self.stale / self.passages}


def find_stale(queries: Sequence[Query], release: Release, changes: CorpusChanges) -> StaleRetrieval | None:
    """Return what was retrieved from the release, compared with the source now; None if nothing was."""
    gone = {*changes.changed, *changes.removed}
    found = [
        passage.document_id in gone for query in queries if query.release == release.id for passage in query.passages
    ]
    return StaleRetrieval(len(found), sum(found)) if found else None


def describe_ages(queries: Sequence[Query], releases: Sequence[Release]) -> dict[str, float] | None:
    """Return number, median and 95th percentile of the ages in days of retrieved passages; None if none is known.

    The age counts from the date that the page states, else from the release that first had its present content, to the
    day of the question.
    """
    ages = [*_ages(queries, {release.id: release for release in releases})]
    if not ages:
        return None
    return {"n": len(ages), "p50": float(np.percentile(ages, 50)), "p95": float(np.percentile(ages, 95))}


def _ages(queries: Sequence[Query], releases: Mapping[str, Release]) -> Iterator[int]:
    for query in queries:
        documents = releases[query.release].documents if query.release in releases else {}
        asked = date.fromisoformat(query.asked_utc[:10])
        for passage in query.passages:
            entry = documents.get(passage.document_id)
            since = passage.date or (entry.since_utc if entry else None)
            if since:
                # A page may state a date to come.
                yield max(0, (asked - date.fromisoformat(since[:10])).days)
