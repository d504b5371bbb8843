"""The strategies: what each one reads, trains and needs, and how it is shown.

A new strategy is added here. Other code asks for a property of a strategy and never for its name; the prompts
(answering.prompts) and the findings, which are about named strategies, are the exceptions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class AdapterKind(StrEnum):
    """The LoRA adapters. Each has the name of the strategy that it serves."""

    TUNED = "tuned"
    HYBRID = "hybrid"

    @property
    def strategy(self) -> "Strategy":
        """The strategy that answers with this adapter."""
        return Strategy(self.value)

    @property
    def reads(self) -> bool:
        """Whether the adapter is trained to answer from retrieved text."""
        return self.strategy.profile.reads


class Update(StrEnum):
    """An update that brings a change of the knowledge into the answers."""

    REFRESH = "refresh"
    RETRAIN = "retrain"


class Strategy(StrEnum):
    """The ways to answer: from memory or from documents, with the base model or with a LoRA adapter."""

    BASE = "base"
    RAG = "rag"
    TUNED = "tuned"
    HYBRID = "hybrid"

    @property
    def profile(self) -> "Profile":
        """The record of what distinguishes this strategy from the others."""
        return PROFILES[self]


class Auto(StrEnum):
    """The request that the strategy is chosen for each question; it answers, trains and updates nothing itself."""

    AUTO = "auto"

    @property
    def profile(self) -> "Profile":
        """The record of the reader: an answer that may come from documents is shown whole, once it is judged."""
        return PROFILES[READER]


Requested = Strategy | Auto
"""What a question can ask for."""

REQUESTS: tuple[Requested, ...] = (*Strategy, *Auto)
"""All of it, the strategies first."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The record of one strategy; `colour` is used in every plot."""

    reads: bool
    adapter: AdapterKind | None
    colour: str

    @property
    def updates(self) -> tuple[Update, ...]:
        """The updates that bring a change of the knowledge into the answers, in the order in which they run."""
        return ((Update.REFRESH,) if self.reads else ()) + ((Update.RETRAIN,) if self.adapter else ())

    @property
    def components(self) -> tuple[str, ...]:
        """The parts that must be there before the strategy can answer."""
        index = ("embedder", "index") if self.reads else ()
        return ("language model", *index, *(("adapter",) if self.adapter else ()))


PROFILES: Mapping[Strategy, Profile] = {
    Strategy.BASE: Profile(reads=False, adapter=None, colour="#9aa0a6"),
    Strategy.RAG: Profile(reads=True, adapter=None, colour="#3b6fb6"),
    Strategy.TUNED: Profile(reads=False, adapter=AdapterKind.TUNED, colour="#d99a2b"),
    Strategy.HYBRID: Profile(reads=True, adapter=AdapterKind.HYBRID, colour="#3f9b6c"),
}

BASELINE = Strategy.BASE
"""The base model alone: every gain is measured against it."""

READER = Strategy.RAG
"""The base model with retrieved text: the default, and the form in which a closed-book adapter is asked to read."""

CLOSED_BOOK_ADAPTER = AdapterKind.TUNED
"""The default of commands that try settings on one adapter."""

UPDATED = tuple(strategy for strategy in Strategy if strategy.profile.updates)
"""The strategies that follow a change of the knowledge."""
