"""What is recorded of one release: changes, quality, costs, readers and digests."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lorag.costs.ledger import LedgerEntry
from lorag.evaluation.rule_error import RULE_ERROR
from lorag.evaluation.timeline_records import TimelineStep
from lorag.findings.evidence import Measurement
from lorag.knowledge.changes import CorpusChanges
from lorag.releases.record import Release
from lorag.strategies import Strategy


@dataclass(frozen=True, slots=True)
class Reader:
    """A key by its name, the metadata that a document must have for it, and how many documents it reads."""

    name: str
    where: Mapping[str, str]
    n_documents: int


@dataclass(frozen=True, slots=True)
class Quality:
    """The figures of the newest comparison of a release by strategy; without intervals if only its runs are left.

    `limit` is the most questions that were asked, None for all; `confidence` is that of the intervals.
    """

    strategies: Mapping[str, Sequence[Measurement]]
    limit: int | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class ReleaseCard:
    """A release and everything that is recorded of it; None or empty where nothing is.

    `before` is the retained release before it, and `changes` are the documents that differ from that. `step` is that
    of the walk whose release it is. `updates` made the release, with the attempts before them; `answered` is what the
    service answered from it. `no_ledger` says why the costs could not be read. `verdicts` counts what readers said of
    its answers. `settings` are a few of params.yaml at the commit of the release.
    """

    release: Release
    is_served: bool
    before: str | None
    changes: CorpusChanges | None
    quality: Quality | None
    step: TimelineStep | None
    updates: Sequence[LedgerEntry]
    answered: Sequence[LedgerEntry]
    no_ledger: str | None
    verdicts: Mapping[str, int]
    settings: Mapping[str, Any]
    readers: Sequence[Reader]

    @property
    def strategies(self) -> tuple[Strategy, ...]:
        """The strategies that can answer from it."""
        kinds = self.release.adapters
        return tuple(one for one in Strategy if one.profile.adapter is None or one.profile.adapter in kinds)

    @property
    def digests(self) -> dict[str, str | None]:
        """What the release is made of, by name."""
        release = self.release
        found = {
            "content of the index": release.content_digest,
            "vectors of the index": release.vectors_digest,
            "documents": release.corpus_digest,
            "params": release.params_digest,
            f"embedder {release.embedder_model}": release.embedder_sha256,
            "embedder fingerprint": release.embedder_fingerprint,
            "base model": release.base_model_sha256,
            "git commit": release.git_commit,
        }
        for entry in release.adapters.values():
            found |= {f"adapter {entry.id}": entry.sha256, f"training set of {entry.id}": entry.training_set_digest}
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag releases --card --json` prints; docs/json.md lists its keys."""
        release, quality = self.release, self.quality
        return {
            "id": release.id,
            "generation": release.generation,
            "created_utc": release.created_utc,
            "served": self.is_served,
            "n_documents": len(release.documents),
            "n_chunks": release.n_chunks,
            "before": self.before,
            "changes": asdict(self.changes) if self.changes else None,
            "recall_at_10": release.recall_at_10,
            "quality": quality
            and {
                "limit": quality.limit,
                "confidence": quality.confidence,
                "strategies": {
                    name: {one.of: {"value": one.value, "low": one.low, "high": one.high} for one in found}
                    for name, found in quality.strategies.items()
                },
            },
            "measure": RULE_ERROR.to_json(),
            "walk": self.step and [row.to_json() for row in self.step.rows],
            "updates": [entry.to_json() for entry in self.updates],
            "answered": [entry.to_json() for entry in self.answered],
            "no_ledger": self.no_ledger,
            "verdicts": dict(self.verdicts),
            "adapters": {
                kind.value: {"id": entry.id, "coverage": entry.coverage and entry.coverage.to_json()}
                for kind, entry in release.adapters.items()
            },
            "strategies": list(self.strategies),
            "settings": dict(self.settings),
            "readers": [asdict(reader) for reader in self.readers],
            "digests": self.digests,
        }
