"""A language model that runs on the processor, by OpenVINO GenAI."""

import threading
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from lorag.answering.generator import NEVER, Generation, Message, StopRule, TextStream
from lorag.errors import IntegrityFailed, ParamsError
from lorag.integrations.models.chat_encoding import open_chat_encoder
from lorag.integrations.models.model_text import ModelText
from lorag.integrations.models.openvino_import import import_openvino, import_openvino_genai
from lorag.integrations.models.openvino_model import CACHE_TOKENS, openvino_form, openvino_form_sha256
from lorag.integrations.models.text_writer import TokenWriter
from lorag.params import GenerationPrecision

openvino, openvino_genai = import_openvino(), import_openvino_genai()

_BLOCK_TOKENS = 32
_TURN_S = 0.001
"""The time between two tokens in which other threads get their turn.

The engine holds Python's lock while it computes, and every call of the operating system gives that lock away: without a
pause a thread that reads a file waits for a token at each call.
"""

# Without these, a processor with bf16 computes in bf16, activations are quantised, and a text depends on what else is
# generated at the same time. With all of them the text is that of transformers in float32.
_EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32", "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0"}
_PROPERTIES = {
    GenerationPrecision.EXACT: _EXACT,
    GenerationPrecision.INT8: {"INFERENCE_PRECISION_HINT": "f32"},
}


class OpenVinoGenerator:
    """A model folder with an adapter merged into it if named. Threads may share it; what they ask runs together.

    There is no thread of its own: whoever waits for an answer computes the next token of all answers under way.
    """

    def __init__(
        self,
        folder: Path,
        *,
        precision: GenerationPrecision,
        temperature: float,
        seed: int,
        adapter: Path | None = None,
    ) -> None:
        self._folder = folder
        self._adapter = adapter
        self._precision = precision
        self._lock = threading.Lock()
        self._next_id = 0
        self._encoder = open_chat_encoder(folder)
        self._text = self._encoder.text
        form = openvino_form(folder, adapter, precision)
        scheduler = openvino_genai.SchedulerConfig()
        scheduler.enable_prefix_caching = True
        scheduler.num_kv_blocks = CACHE_TOKENS // _BLOCK_TOKENS * 5 // 4
        try:
            self._pipeline: Any = openvino_genai.ContinuousBatchingPipeline(
                str(form), scheduler, "CPU", _PROPERTIES[precision]
            )
        except RuntimeError as error:
            raise IntegrityFailed(
                f"cannot load the language model: {str(error).strip().splitlines()[-1]}",
                where=str(form),
                do="delete that folder; it is made again",
            ) from error
        self._settings = _settings(self._text.stop_ids, temperature, seed)

    @cached_property
    def model_sha256(self) -> str:
        """The digest of weights, config, tokenizer, adapter and precision."""
        return openvino_form_sha256(self._folder, self._adapter, self._precision)

    @property
    def engine(self) -> str:
        """The engine and its precision."""
        return f"openvino {self._precision}"

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a piece of plain text."""
        return self._encoder.count_tokens(text)

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        """Yield the answer piece by piece in the caller's thread; `close()` frees its place at once."""
        answer = self._begin(self._encoder.encode(messages), max_new_tokens, stop)
        try:
            while not answer.ended:
                self._advance([answer])
                if piece := answer.take():
                    yield piece
            return answer.generation()
        finally:
            self._leave([answer])

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        """Return one answer for each conversation, in order; as many run at once as the cache has place for."""
        prompts = [self._encoder.encode(messages) for messages in conversations]
        for prompt in prompts:
            self._check_length(len(prompt), max_new_tokens)
        done: dict[int, Generation] = {}
        running: dict[int, _Answer] = {}
        waiting = list(enumerate(prompts))[::-1]
        try:
            while waiting or running:
                held = sum(answer.n_prompt + max_new_tokens for answer in running.values())
                while waiting and (not running or held + len(waiting[-1][1]) + max_new_tokens <= CACHE_TOKENS):
                    at, prompt = waiting.pop()
                    held += len(prompt) + max_new_tokens
                    running[at] = self._begin(prompt, max_new_tokens, stop)
                self._advance(list(running.values()))
                for at in [at for at, answer in running.items() if answer.ended]:
                    done[at] = running.pop(at).generation()
        finally:
            self._leave(running.values())
        return [done[at] for at in range(len(prompts))]

    def _begin(self, prompt: Sequence[int], max_new_tokens: int, stop: StopRule) -> "_Answer":
        self._check_length(len(prompt), max_new_tokens)
        settings = openvino_genai.GenerationConfig(**self._settings, max_new_tokens=max_new_tokens)
        with self._lock:
            self._next_id += 1
            ids = openvino.Tensor(np.asarray([prompt], np.int64))
            handle = self._pipeline.add_request(self._next_id, ids, settings)
        return _Answer(handle, self._text, len(prompt), stop)

    def _advance(self, answers: Sequence["_Answer"]) -> None:
        """Compute the next token of every answer under way, unless one of `answers` has something to read already."""
        with self._lock:
            if not any(answer.can_read() for answer in answers):
                time.sleep(_TURN_S)
                self._pipeline.step()
        for answer in answers:
            answer.read()

    def _leave(self, answers: Iterable["_Answer"]) -> None:
        """Give up what still runs; the engine frees its place with the next step."""
        for answer in answers:
            answer.cancel()
        with self._lock:
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()

    def _check_length(self, prompt_tokens: int, max_new_tokens: int) -> None:
        limit = min(self._text.max_tokens, CACHE_TOKENS)
        if prompt_tokens + max_new_tokens > limit:
            raise ParamsError(
                f"a prompt of {prompt_tokens} tokens and {max_new_tokens} new ones exceed the model's {limit}",
                where="generation",
                do="lower max_context_tokens or max_new_tokens, or ask a shorter question",
            )


class _Answer:
    """A request to the engine and the text that it has written so far."""

    def __init__(self, handle: Any, text: ModelText, n_prompt: int, stop: StopRule) -> None:
        self.n_prompt = n_prompt
        self._handle = handle
        self._writer = TokenWriter(text, stop)
        self.take = self._writer.take

    @property
    def ended(self) -> bool:
        return self._writer.ended

    def can_read(self) -> bool:
        return bool(self._handle.can_read())

    def read(self) -> None:
        """Take the new tokens from the engine; stop it where the text ends."""
        while not self.ended and self._handle.can_read():
            for output in self._handle.read().values():
                for token in output.generated_ids:
                    self._writer.add_token(token)
        if self.ended:
            self.cancel()
        elif not self._runs() and not self._handle.can_read():
            self._writer.end()

    def cancel(self) -> None:
        if self._runs():
            self._handle.cancel()

    def generation(self) -> Generation:
        return self._writer.generation(self.n_prompt, self._writer.n_tokens)

    def _runs(self) -> bool:
        return bool(self._handle.get_status() == openvino_genai.GenerationStatus.RUNNING)


def _settings(stop_ids: frozenset[int], temperature: float, seed: int) -> dict[str, Any]:
    settings: dict[str, Any] = {"stop_token_ids": set(stop_ids), "eos_token_id": min(stop_ids)}
    if temperature:
        settings |= {"do_sample": True, "temperature": temperature, "rng_seed": seed}
    return settings
