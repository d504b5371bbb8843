"""A second, closer look at the best candidates of a search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from lorag.retrieval.index.store import Hit


class Reranker(Protocol):
    """A model that reads a question together with each text."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """Return how well each text answers the question, in the order of `texts`; higher is better."""


def rerank(hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    """Return the hits with these scores, in descending order; equal scores keep their order."""
    scored = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)
