"""The speed of the served release, one question at a time, and the cost of that."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lorag.answering.generator import NEVER, Generation, LanguageModel, Message, StopRule, TextStream
from lorag.answering.strategies import Answer
from lorag.costs.records import Cost
from lorag.digests import digest_of
from lorag.errors import WorkspaceError
from lorag.evaluation.question_set import SetQuestion, Topic
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.models.generators import open_compared
from lorag.params import Params
from lorag.progress import show_progress
from lorag.strategies import Strategy
from lorag.use_cases.asking.question_set import WRITE_SOME
from lorag.use_cases.serve.serve import Served, answer_from, open_served
from lorag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Timing:
    """The timing of one answer: seconds from the question until a model was asked, to its first token and to its end.

    `started_ns` is the time of the question since 1970. The first two are None if no model was asked.
    """

    question: str
    answer: Answer
    started_ns: int
    asked_s: float | None
    first_token_s: float | None
    total_s: float


@dataclass(frozen=True, slots=True)
class Speed:
    """The timed answers and their total cost, without opening models and index."""

    timings: tuple[Timing, ...]
    cost: Cost

    def figures(self) -> dict[str, float]:
        """Return percentiles in seconds, mean tokens per query, and generated tokens per second of waiting."""
        totals = [timing.total_s for timing in self.timings]
        firsts = [timing.first_token_s for timing in self.timings if timing.first_token_s is not None]
        generated = [timing.answer.generated_tokens for timing in self.timings]
        figures = {
            "p50_s": float(np.percentile(totals, 50)),
            "p95_s": float(np.percentile(totals, 95)),
            "tokens_in": float(np.mean([timing.answer.prompt_tokens for timing in self.timings])),
            "tokens_out": float(np.mean(generated)),
            "tokens_per_s": sum(generated) / sum(totals),
        }
        if firsts:
            figures["ttft_p50_s"] = float(np.percentile(firsts, 50))
            figures["ttft_p95_s"] = float(np.percentile(firsts, 95))
        return figures

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {"n_queries": len(self.timings), **self.figures()}


def choose_timed(questions: Sequence[SetQuestion], n: int) -> list[SetQuestion]:
    """Return up to `n` facts, chosen by hash."""
    facts = [question for question in questions if question.topic is Topic.FACT]
    return sorted(facts, key=lambda question: digest_of(["timed", question.id]))[:n]


def measure_speed(
    strategy: Strategy,
    questions: Sequence[SetQuestion],
    workspace: Workspace,
    params: Params,
    environment: Mapping[str, str],
) -> Speed:
    """Stream each question's answer from the served release, after one that is not counted.

    Raises WorkspaceError if there are no questions, and the errors of `open_served` if the release has no such adapter.
    """
    if not questions:
        raise WorkspaceError("no question to measure speed with", where="knowledge.questions", do=WRITE_SOME)
    with open_served(workspace, params, environment, adapter=strategy.profile.adapter) as served:
        clock = _Clock(open_compared(params.generation, served.adapter))
        answer_from(questions[0].text, strategy, served, clock, params)
        timings = []
        with (
            CostMeter(params.costs, gpus=count_held_gpus()) as meter,
            show_progress(f"Timing {strategy}", len(questions)) as advance,
        ):
            for question in questions:
                timing = _time(question.text, strategy, served, clock, params)
                timings.append(timing)
                meter.add_tokens(prompt=timing.answer.prompt_tokens, generated=timing.answer.generated_tokens)
                advance(1)
    return Speed(tuple(timings), meter.stop())


def _time(question: str, strategy: Strategy, served: Served, clock: "_Clock", params: Params) -> Timing:
    clock.moments.clear()
    started_ns, started = time.time_ns(), time.perf_counter()
    answer = answer_from(question, strategy, served, clock, params)
    total_s = time.perf_counter() - started
    asked_s, first_s = [moment - started for moment in clock.moments] or (None, None)
    return Timing(question, answer, started_ns, asked_s, first_s, total_s)


@dataclass(frozen=True, slots=True)
class _Clock:
    """A model that records when it was asked, and when the first piece of its answer came."""

    model: LanguageModel
    moments: list[float] = field(default_factory=list)

    @property
    def model_sha256(self) -> str:
        return self.model.model_sha256

    @property
    def engine(self) -> str:
        return self.model.engine

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        # Only the last text is the answer: the question may have been rewritten first.
        self.moments[:] = [time.perf_counter()]
        pieces = self.model.stream(messages, max_new_tokens=max_new_tokens, stop=stop)
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                # If only the end of the answer was generated, that was the first token.
                self._note_first()
                written: Generation = end.value
                return written
            self._note_first()
            yield piece

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        return self.model.generate_batch(conversations, max_new_tokens=max_new_tokens, stop=stop)

    def count_tokens(self, text: str) -> int:
        return self.model.count_tokens(text)

    def _note_first(self) -> None:
        if len(self.moments) == 1:
            self.moments.append(time.perf_counter())
