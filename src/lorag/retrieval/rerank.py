"""A second, closer look at the best candidates of a search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from lorag.retrieval.index.store import Hit


class Reranker(Protocol):
    """Reads a question together with each text."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """How well each text answers the question, in the order of `texts`; higher is better."""


def rerank(hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    """The hits by descending score, which they now carry; equal scores keep their order."""
    scored = [replace(hit, score=score) for hit, score in zip(hits, scores, strict=True)]
    return sorted(scored, key=lambda hit: -hit.score)
