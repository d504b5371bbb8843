"""The batched generation of answers to many prompts; earlier answers come from the cache."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from lorag.answering import GENERATION_VERSION
from lorag.answering.generator import NEVER, Generation, LanguageModel, Message, StopRule
from lorag.answering.strategies import Prompt
from lorag.costs.records import Cost
from lorag.digests import digest_of
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.params import Params
from lorag.progress import show_progress
from lorag.workspace import Workspace

BATCH = 128
"""The number of prompts between two writes to the cache, so that a killed run loses little."""

NAMESPACE = "generations"


@dataclass(frozen=True, slots=True)
class Batched:
    """The text that a model generated for each prompt; None for a prompt without messages.

    `n_fresh` of them were not in the cache; `cost` is the cost of generating those.
    """

    generations: tuple[Generation | None, ...]
    n_fresh: int
    cost: Cost


def generate_batched(
    prompts: Sequence[Prompt],
    generator: LanguageModel,
    workspace: Workspace,
    params: Params,
    title: str,
    *,
    stop: StopRule = NEVER,
) -> Batched:
    """Return answers in the order of the prompts; those of similar length share a batch; equal ones are asked once."""
    limits = params.generation
    settings = [GENERATION_VERSION, generator.model_sha256, limits.max_new_tokens, limits.temperature, limits.seed]
    settings.append(repr(stop))
    keys = [_key(settings, prompt.messages) if prompt.messages else None for prompt in prompts]
    wanted = {key: prompt for key, prompt in zip(keys, prompts, strict=True) if key is not None}
    with BlobCache(workspace.cache_file) as cache, show_progress(title, len(wanted)) as advance:
        known = {key: _from_bytes(value) for key, value in cache.get_many(NAMESPACE, list(wanted)).items()}
        missing = sorted((item for item in wanted.items() if item[0] not in known), key=lambda item: _length(item[1]))
        advance(len(known))
        with CostMeter(params.costs, gpus=count_held_gpus()) as meter:
            for first in range(0, len(missing), BATCH):
                batch = missing[first : first + BATCH]
                conversations = [prompt.messages for _, prompt in batch]
                made = generator.generate_batch(conversations, max_new_tokens=limits.max_new_tokens, stop=stop)
                answers = {key: generation for (key, _), generation in zip(batch, made, strict=True)}
                cache.put_many(NAMESPACE, [(key, _to_bytes(generation)) for key, generation in answers.items()])
                known |= answers
                meter.add_tokens(
                    prompt=sum(each.prompt_tokens for each in made), generated=sum(g.generated_tokens for g in made)
                )
                advance(len(batch))
    generations = tuple(known[key] if key is not None else None for key in keys)
    return Batched(generations, len(missing), meter.stop())


def _key(settings: Sequence[object], messages: Sequence[Message]) -> str:
    return digest_of([*settings, [[message.role.value, message.content] for message in messages]])


def _length(prompt: Prompt) -> int:
    return sum(len(message.content) for message in prompt.messages)


def _to_bytes(generation: Generation) -> bytes:
    return json.dumps([generation.text, generation.prompt_tokens, generation.generated_tokens]).encode()


def _from_bytes(value: bytes) -> Generation:
    return Generation(*json.loads(value))
