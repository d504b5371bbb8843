"""A language model that runs on this machine, by transformers and torch."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, DynamicCache, PreTrainedModel

from lorag.answering.generator import NEVER, Generation, Message, StopRule, TextStream
from lorag.digests import digest_of
from lorag.errors import ParamsError, WorkspaceError
from lorag.integrations.models.chat_encoding import open_chat_encoder
from lorag.integrations.models.files import model_sha256, quieten_transformers
from lorag.integrations.models.merging import merge_adapter
from lorag.integrations.models.text_writer import TokenWriter
from lorag.releases.adapter_shelf import adapter_sha256
from lorag.retrieval.embed import plan_batches

BATCH_TOKENS = 16_384
"""The tokens of a batch, prompts, answers and padding together: their keys and values are held in memory."""


class TransformersGenerator:
    """A model folder, read once, with an adapter merged into it if named; threads may share it, and take turns."""

    def __init__(self, folder: Path, *, temperature: float, seed: int, adapter: Path | None = None) -> None:
        self._folder = folder
        self._adapter = adapter
        self._temperature = temperature
        self._seed = seed
        self._lock = threading.Lock()
        try:
            self._model: Any = _load_model(folder)
        except (OSError, ValueError) as error:
            raise WorkspaceError(
                f"cannot load the language model: {error}",
                where="generation.model",
                do="name a folder with safetensors",
            ) from error
        if adapter is not None:
            self._model = merge_adapter(self._model, adapter)
        self._encoder = open_chat_encoder(folder)
        self._text = self._encoder.text
        self._stop_ids = self._text.stop_ids

    @cached_property
    def model_sha256(self) -> str:
        """A digest of weights, configs and tokenizer, and of the adapter's files; computed when first asked for."""
        base = model_sha256(self._folder)
        return base if self._adapter is None else digest_of([base, adapter_sha256(self._adapter)])

    @property
    def engine(self) -> str:
        """The engine and the type of its numbers."""
        return f"transformers {str(self._model.dtype).removeprefix('torch.')}"

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a piece of plain text."""
        return len(self._encoder.encode_content(text))

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        """Yield the answer piece by piece in the caller's thread, so that errors and `close()` reach it at once."""
        prompt = self._encoder.encode(messages)
        self._check_length(len(prompt), max_new_tokens)
        writer = TokenWriter(self._text, stop)
        for token in self._tokens(prompt, max_new_tokens):
            writer.add_token(token)
            if piece := writer.take():
                yield piece
            if writer.ended:
                break
        writer.end()
        if piece := writer.take():
            yield piece
        return writer.generation(len(prompt), writer.n_tokens)

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        """Return one answer for each conversation, in order; prompts of similar length share a batch."""
        prompts = [self._encoder.encode(messages) for messages in conversations]
        for prompt in prompts:
            self._check_length(len(prompt), max_new_tokens)
        answers: dict[int, Generation] = {}
        for batch in plan_batches([len(prompt) + max_new_tokens for prompt in prompts], BATCH_TOKENS):
            answers |= zip(
                batch, self._generate_padded([prompts[at] for at in batch], max_new_tokens, stop), strict=True
            )
        return [answers[at] for at in range(len(prompts))]

    def _tokens(self, prompt: list[int], max_new_tokens: int) -> Iterator[int]:
        # Its own generator of random numbers: answers do not depend on what else runs in this process.
        randomness = torch.Generator(self._model.device).manual_seed(self._seed)
        cache = DynamicCache(config=self._model.config)
        ids = torch.tensor([prompt], device=self._model.device)  # [1, n]
        for _ in range(max_new_tokens):
            with self._lock, torch.inference_mode():
                output = self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
            token = self._choose(output.logits[0, -1], randomness)
            yield token
            if token in self._stop_ids:
                return
            ids = torch.tensor([[token]], device=self._model.device)

    def _choose(self, logits: torch.Tensor, randomness: torch.Generator) -> int:
        if self._temperature == 0:
            return int(logits.argmax())
        shares = torch.softmax(logits.float() / self._temperature, dim=-1)
        return int(torch.multinomial(shares, 1, generator=randomness))

    def _generate_padded(self, prompts: list[list[int]], max_new_tokens: int, stop: StopRule) -> list[Generation]:
        width = max(map(len, prompts))
        padding = min(self._stop_ids)
        # On the left: the next token follows the prompt, not the padding.
        ids = torch.tensor([[padding] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        sampling = {"do_sample": True, "temperature": self._temperature} if self._temperature else {"do_sample": False}
        with self._lock, torch.random.fork_rng(), torch.inference_mode():
            torch.manual_seed(self._seed)
            output = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                max_new_tokens=max_new_tokens,
                pad_token_id=padding,
                eos_token_id=sorted(self._stop_ids),
                top_k=0 if self._temperature else None,
                **sampling,
            )
        written = []
        for prompt, row in zip(prompts, output.cpu(), strict=True):
            writer = TokenWriter(self._text, stop)
            for token in row[width:].tolist():
                writer.add_token(token)
            writer.end()
            written.append(replace(writer.generation(len(prompt), writer.n_tokens), read_s=0.0, write_s=0.0))
        return written

    def _check_length(self, prompt_tokens: int, max_new_tokens: int) -> None:
        limit = self._text.max_tokens
        if prompt_tokens + max_new_tokens > limit:
            raise ParamsError(
                f"a prompt of {prompt_tokens} tokens and {max_new_tokens} new ones exceed the model's {limit}",
                where="generation",
                do="lower max_context_tokens or max_new_tokens, or ask a shorter question",
            )


def _load_model(folder: Path) -> PreTrainedModel:
    quieten_transformers()
    on_gpu = torch.cuda.is_available()
    # bf16 halves the memory traffic of a GPU. On a processor with AVX512-BF16 it decoded half as fast as fp32.
    dtype = torch.bfloat16 if on_gpu and torch.cuda.is_bf16_supported() else torch.float32
    model: Any = AutoModelForCausalLM.from_pretrained(
        str(folder), dtype=dtype, use_safetensors=True, local_files_only=True, trust_remote_code=False
    )
    return model.to("cuda" if on_gpu else "cpu").eval()
