"""The rule by which a new index generation is published or refused."""

import math

from lorag.counted import counted
from lorag.errors import GateRefused
from lorag.params import GateParams
from lorag.releases.record import Release
from lorag.retrieval.plan import RefreshPlan
from lorag.shares import exact

Digests = tuple[str, str, int]
"""The content digest, the vectors digest and the number of the rows of a generation."""


def refuse_shrinking(plan: RefreshPlan, base: Release | None, params: GateParams, *, allow_shrink: bool) -> None:
    """Raise GateRefused if more of the index would go than params allow, as with a half-copied source."""
    if base is None or allow_shrink or base.n_chunks == 0:
        return
    lost = max(base.n_chunks - len(plan.write) - len(plan.keep), 0) / base.n_chunks
    if lost > params.max_shrink_share:
        raise GateRefused(
            f"the index would lose {lost:.0%} of its {counted(base.n_chunks, 'chunk')}",
            where=f"gate.max_shrink_share {params.max_shrink_share}",
            do="check the source, or run again with --allow-shrink",
        )


def refuse_other_rows(found: Digests, wanted: Digests, name: str) -> None:
    """Raise GateRefused if the store does not hold exactly the rows that were written; `name` is the index."""
    if (found[0], found[2]) != (wanted[0], wanted[2]):
        raise GateRefused(
            f"the store holds {counted(found[2], 'chunk')} with content {found[0][:12]}, "
            f"expected {wanted[2]} with {wanted[0][:12]}",
            where=name,
            do="run `lorag refresh` again; if it persists, `lorag refresh --rebuild`",
        )
    if found[1] != wanted[1]:
        raise GateRefused(
            "the store's vectors are not those that were written", where=name, do="run `lorag refresh --rebuild`"
        )


def refuse_low_recall(recall: float, n_questions: int, base: Release | None, params: GateParams) -> None:
    """Raise GateRefused if recall@10 is below the floor or too far below the served release; NaN is refused."""
    floor = exact(params.min_recall_at_10)
    if base is not None and base.recall_at_10 is not None:
        floor = max(floor, exact(base.recall_at_10) - exact(params.max_recall_drop))
    if not math.isfinite(recall) or exact(recall) < floor:
        raise GateRefused(
            f"recall@10 {recall:.3f} on {counted(n_questions, 'golden question')} is below {float(floor):.3f}",
            where="gate.min_recall_at_10, gate.max_recall_drop",
            do="look at reports/retrieval.json and fix the documents or questions",
        )
