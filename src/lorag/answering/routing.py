"""The router: which strategy answers a question, from what the search found for it, before a model is asked."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from lorag.answering.sentence_choice import certainty, rank_sentences
from lorag.answering.sentence_features import EmbedTexts
from lorag.knowledge.documents import Chunk
from lorag.strategies import Strategy

FEATURES = ("constant", "similarity", "found", "certainty")
"""What a router weighs, in the order of its weights."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What the search says of a question.

    `similarity` is the best cosine of the question to a chunk, 0 without a dense search. `certainty` is that of the
    best sentence (see `sentence_choice`); None if nothing relevant was found.
    """

    similarity: float
    certainty: float | None

    @property
    def values(self) -> tuple[float, ...]:
        """The values of `FEATURES`."""
        return 1.0, self.similarity, float(self.certainty is not None), self.certainty or 0.0


@dataclass(frozen=True, slots=True)
class Router:
    """A logistic regression for each strategy: from the signals of a question to the chance that it answers right."""

    weights: Mapping[Strategy, tuple[float, ...]]

    def chances(self, signals: Signals) -> dict[Strategy, float]:
        """Return the chance of each strategy to be right, 0 to 1."""
        return {strategy: chance(weights, signals.values) for strategy, weights in self.weights.items()}

    def choose(self, signals: Signals, among: Collection[Strategy]) -> Strategy:
        """Return the strategy in `among`, which has at least one of the router's, that is likeliest to be right."""
        chances = {strategy: value for strategy, value in self.chances(signals).items() if strategy in among}
        return max(chances, key=lambda strategy: chances[strategy])

    def to_json(self) -> dict[str, dict[str, float]]:
        """Return the weights by strategy and feature."""
        return {strategy: dict(zip(FEATURES, each, strict=True)) for strategy, each in self.weights.items()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read what `to_json` returned; raises KeyError or ValueError for other values."""
        return cls({Strategy(name): tuple(float(each[key]) for key in FEATURES) for name, each in value.items()})


def read_signals(question: str, similarity: float | None, chunks: Sequence[Chunk], embed: EmbedTexts) -> Signals:
    """Return the signals of a question; `chunks` are those that are relevant, best first, and may be none."""
    ranked = rank_sentences(question, chunks, embed)
    return Signals(similarity or 0.0, certainty(question, ranked) if ranked else None)


def chance(weights: Sequence[float], values: Sequence[float]) -> float:
    """Return the logistic function of the weighted sum."""
    total = sum(weight * value for weight, value in zip(weights, values, strict=True))
    return 1 / (1 + math.exp(-total)) if total >= 0 else math.exp(total) / (1 + math.exp(total))
