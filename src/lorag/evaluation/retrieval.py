"""Retrieval metrics over documents, computed by ir-measures."""

from collections.abc import Mapping, Sequence
from typing import Any

import ir_measures
from ir_measures import AP, RR, R, nDCG

from lorag.questions.questions import GoldenQuestion
from lorag.retrieval.index.store import Hit


def rank_documents(hits: Sequence[Hit]) -> list[str]:
    """Return the document ids in the order of each document's best chunk."""
    return list(dict.fromkeys(hit.chunk.document_id for hit in hits))


def measure_retrieval(
    questions: Sequence[GoldenQuestion], rankings: Mapping[str, Sequence[str]], cutoffs: Sequence[int]
) -> dict[str, float]:
    """Return means over the questions: `ndcg_at_10`, `mrr_at_10`, `map` and `recall_at_k` for each cut-off.

    `rankings` maps a question's id to document ids, best first; a question without a ranking counts as 0.
    Raises ValueError without questions.
    """
    if not questions:
        raise ValueError("retrieval cannot be measured without questions")
    measures = _measures(cutoffs)
    found = ir_measures.calc_aggregate(list(measures.values()), _qrels(questions), _run(questions, rankings))
    return {name: float(found[measure]) for name, measure in measures.items()}


def retrieval_by_question(
    questions: Sequence[GoldenQuestion], rankings: Mapping[str, Sequence[str]], cutoffs: Sequence[int]
) -> dict[str, dict[str, float]]:
    """Return the same metrics, each by question id."""
    measures = _measures(cutoffs)
    names = {str(measure): name for name, measure in measures.items()}
    found = {name: dict.fromkeys((question.id for question in questions), 0.0) for name in measures}
    for row in ir_measures.iter_calc(list(measures.values()), _qrels(questions), _run(questions, rankings)):
        found[names[str(row.measure)]][row.query_id] = float(row.value)
    return found


def _measures(cutoffs: Sequence[int]) -> dict[str, Any]:
    measures = {"ndcg_at_10": nDCG @ 10, "mrr_at_10": RR @ 10, "map": AP}
    return measures | {f"recall_at_{k}": R @ k for k in cutoffs}


def _qrels(questions: Sequence[GoldenQuestion]) -> dict[str, dict[str, int]]:
    return {question.id: dict.fromkeys(question.document_ids, 1) for question in questions}


def _run(questions: Sequence[GoldenQuestion], rankings: Mapping[str, Sequence[str]]) -> dict[str, dict[str, float]]:
    return {
        question.id: {document: 1.0 / rank for rank, document in enumerate(rankings.get(question.id, ()), start=1)}
        for question in questions
    }
