"""The seconds of every answer of a comparison, estimated from the few that were timed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from lorag.answering.strategies import Answer
from lorag.strategies import Strategy
from lorag.use_cases.compare.measure_speed import Timing


@dataclass(frozen=True, slots=True)
class Rates:
    """The seconds of a search, of judging what a model wrote from passages, and of a token read and written.

    They are one for all strategies, because these differ in their tokens and not in the size of their model.
    """

    search_s: float
    judging_s: float
    prompt_token_s: float
    generated_token_s: float

    @classmethod
    def measure(cls, timed: Mapping[Strategy, Sequence[Timing]]) -> Self:
        """Return the rates by least squares over all timed answers; none is below 0."""
        searches = [
            timing.asked_s
            for name, timings in timed.items()
            for timing in timings
            if name.profile.reads and timing.asked_s is not None
        ]
        search_s = float(np.mean(searches)) if searches else 0.0
        rows = [
            (float(name.profile.reads), float(timing.answer.prompt_tokens), float(timing.answer.generated_tokens))
            for name, timings in timed.items()
            for timing in timings
            if timing.asked_s is not None
        ]
        rest = [
            timing.total_s - timing.asked_s
            for timings in timed.values()
            for timing in timings
            if timing.asked_s is not None
        ]
        found = np.linalg.lstsq(np.array(rows), np.array(rest), rcond=None)[0] if rows else np.zeros(3)
        return cls(search_s, *(max(0.0, float(each)) for each in found))

    @property
    def look_s(self) -> float:
        """The seconds of reading the signals of a question: the search, and the ranking of sentences."""
        return self.search_s + self.judging_s

    def seconds(self, strategy: Strategy, answer: Answer) -> float:
        """Return the seconds of an answer; without anything relevant, no model is asked."""
        search_s = self.search_s if strategy.profile.reads else 0.0
        if answer.abstained:
            return search_s
        judging_s = self.judging_s if strategy.profile.reads else 0.0
        written_s = self.prompt_token_s * answer.prompt_tokens + self.generated_token_s * answer.generated_tokens
        return search_s + judging_s + written_s
