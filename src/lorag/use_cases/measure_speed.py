"""How quickly the served release answers, one question at a time, and what that costs."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lorag.adapters.cost_meter import CostMeter
from lorag.adapters.generators import open_generator
from lorag.adapters.gpu_energy import count_gpus
from lorag.answering.generator import Generation, LanguageModel, Message, TextStream
from lorag.costs.records import Cost
from lorag.digests import digest_of
from lorag.errors import WorkspaceError
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.params import Params, Strategy
from lorag.progress import show_progress
from lorag.use_cases.answer_questions import adapter_of
from lorag.use_cases.serve import answer_from, open_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Timing:
    """One answer: seconds from the question to its first token and to its end, search included.

    `first_token_s` is None where no model was asked.
    """

    first_token_s: float | None
    total_s: float
    prompt_tokens: int
    generated_tokens: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Timed answers and what they cost together; opening models and index is no part of it."""

    timings: tuple[Timing, ...]
    cost: Cost

    def figures(self) -> dict[str, float]:
        """Percentiles in seconds, mean tokens of a query, and tokens written a second of waiting."""
        totals = [timing.total_s for timing in self.timings]
        firsts = [timing.first_token_s for timing in self.timings if timing.first_token_s is not None]
        generated = [timing.generated_tokens for timing in self.timings]
        figures = {
            "p50_s": float(np.percentile(totals, 50)),
            "p95_s": float(np.percentile(totals, 95)),
            "tokens_in": float(np.mean([timing.prompt_tokens for timing in self.timings])),
            "tokens_out": float(np.mean(generated)),
            "tokens_per_s": sum(generated) / sum(totals),
        }
        if firsts:
            figures["ttft_p50_s"] = float(np.percentile(firsts, 50))
            figures["ttft_p95_s"] = float(np.percentile(firsts, 95))
        return figures

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"n_queries": len(self.timings), **self.figures()}


def choose_timed(questions: Sequence[SetQuestion], n: int) -> list[SetQuestion]:
    """Up to `n` facts, chosen by hash."""
    facts = [question for question in questions if question.topic is Topic.FACT]
    return sorted(facts, key=lambda question: digest_of(["timed", question.id]))[:n]


def measure_speed(
    strategy: Strategy,
    questions: Sequence[SetQuestion],
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Speed:
    """Streams each question's answer from the served release, after one that is not counted.

    Raises WorkspaceError without questions, and as `open_served` does where the release has no such adapter.
    """
    if not questions:
        raise WorkspaceError("no question to measure speed with", where="knowledge.questions", do="write some")
    with open_served(workspace, params, environment, adapter=adapter_of(strategy)) as served:
        clock = _Clock(open_generator(params.generation, {}, served.adapter))
        answer_from(questions[0].text, strategy, served, clock, params)
        timings = []
        with (
            CostMeter(params.costs, gpus=count_gpus()) as meter,
            show_progress(f"Timing {strategy}", len(questions)) as advance,
        ):
            for question in questions:
                clock.first_s.clear()
                started = time.perf_counter()
                answer = answer_from(question.text, strategy, served, clock, params)
                total = time.perf_counter() - started
                first = clock.first_s[0] - started if clock.first_s else None
                timings.append(Timing(first, total, answer.prompt_tokens, answer.generated_tokens))
                meter.add_tokens(prompt=answer.prompt_tokens, generated=answer.generated_tokens)
                advance(1)
    return Speed(tuple(timings), meter.stop())


@dataclass(frozen=True, slots=True)
class _Clock:
    """A model that notes when the first piece of each text came."""

    model: LanguageModel
    first_s: list[float] = field(default_factory=list)

    @property
    def model_sha256(self) -> str:
        return self.model.model_sha256

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int) -> TextStream:
        pieces = self.model.stream(messages, max_new_tokens=max_new_tokens)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                # Where nothing but the end was written, that was the first token.
                self._note()
                written: Generation = end.value
                return written
            self._note()
            yield piece

    def generate_batch(self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int) -> list[Generation]:
        return self.model.generate_batch(conversations, max_new_tokens=max_new_tokens)

    def count_tokens(self, text: str) -> int:
        return self.model.count_tokens(text)

    def _note(self) -> None:
        if not self.first_s:
            self.first_s.append(time.perf_counter())
