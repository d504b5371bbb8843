"""The command `lorag models`: what can answer here, and what each model takes."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

from lorag.answering.generator import LanguageModel, Message, Role
from lorag.digests import digest_of
from lorag.integrations.machine.hardware import read_machine
from lorag.integrations.models.cache import home_folder
from lorag.integrations.models.catalogue import ModelCard, find_models
from lorag.integrations.models.generators import answers_at_endpoint, open_generator
from lorag.params import Engine, GenerationParams, GenerationPrecision, Params
from lorag.progress import show_progress
from lorag.releases.durable import write_json_durably
from lorag.workspace import Workspace

_PROMPT = "The keeper of the tower wrote down the height of the water twice a day. " * 28
_NEW_TOKENS, _TOGETHER = 64, 8


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second on this machine: of a prompt, of one answer, and of eight answers together."""

    read: float
    write: float
    write_8: float


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model with the engine that runs it here, an estimate of its memory, and its speed if it was measured."""

    card: ModelCard
    engine: Engine
    in_use: bool
    memory_bytes: int | None
    speed: Speed | None

    def to_json(self) -> dict[str, Any]:
        """Return one entry of `lorag models --json`."""
        return {
            "model": self.card.reference,
            "in_use": self.in_use,
            "engine": self.engine.value,
            "not_openvino_because": self.card.refused,
            "file_bytes": self.card.file_bytes,
            "n_parameters": self.card.n_parameters,
            "memory_bytes": self.memory_bytes,
            "context_tokens": self.card.context_tokens,
            "licence": self.card.licence,
            "tokens_per_s": asdict(self.speed) if self.speed else None,
        }


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models on this machine; `endpoint_model` is the one that answers if an endpoint does."""

    models: tuple[ListedModel, ...]
    precision: GenerationPrecision
    endpoint_model: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the object that `lorag models --json` prints."""
        return {
            "models": [model.to_json() for model in self.models],
            "precision": self.precision.value,
            "endpoint_model": self.endpoint_model,
        }


def list_models(workspace: Workspace, params: Params, environment: Mapping[str, str], *, measure: bool) -> ModelList:
    """Return the models on this machine, the one that params name first.

    With `measure` the speed of each is measured, which takes a minute or so, and kept for all workspaces of the user. A
    model at an endpoint is not among them: nothing is known of it here.
    """
    generation = params.generation
    at_endpoint = answers_at_endpoint(generation, environment)
    cards = find_models(generation.model, workspace.root)
    listed = []
    with show_progress("Measuring the models", len(cards)) if measure else nullcontext(_ignore) as advance:
        for card in cards:
            own = generation.model_copy(update={"model": card.reference, "engine": _engine(card, generation)})
            if measure:
                _keep_speed(own, _measure(own))
                advance(1)
            in_use = card.reference == generation.model and not at_endpoint
            memory = card.memory_bytes(own.precision) if own.engine is Engine.OPENVINO else None
            listed.append(ListedModel(card, own.engine, in_use, memory, _read_speed(own)))
    return ModelList(tuple(listed), generation.precision, generation.endpoint_model if at_endpoint else None)


def _ignore(n: int) -> None:
    pass


def _engine(card: ModelCard, params: GenerationParams) -> Engine:
    """Return the engine that would run the model here; an endpoint and its model do not count."""
    on_gpu = params.engine is not Engine.OPENVINO and bool(read_machine().gpus)
    if params.engine is Engine.TRANSFORMERS or card.refused is not None or on_gpu:
        return Engine.TRANSFORMERS
    return Engine.OPENVINO


def _measure(params: GenerationParams) -> Speed:
    model = open_generator(params, {})
    asked = [
        [Message(Role.SYSTEM, "You tell long stories."), Message(Role.USER, f"{number}. {_PROMPT}Go on.")]
        for number in range(_TOGETHER + 1)
    ]
    # The first call allocates, so it is not measured.
    model.generate_batch([[asked[0][0], Message(Role.USER, "Say yes.")]], max_new_tokens=2)
    started = time.perf_counter()
    first = model.generate_batch(asked[:1], max_new_tokens=1)[0]
    read = first.prompt_tokens / (time.perf_counter() - started)
    write = _writing_speed(model, asked[:1], read)
    return Speed(read, write, _writing_speed(model, asked[1:], read))


def _writing_speed(model: LanguageModel, asked: Sequence[Sequence[Message]], read: float) -> float:
    started = time.perf_counter()
    written = model.generate_batch(asked, max_new_tokens=_NEW_TOKENS)
    reading_s = sum(each.prompt_tokens for each in written) / read
    n_written: int = sum(each.generated_tokens for each in written)
    return n_written / max(time.perf_counter() - started - reading_s, 1e-3)


def _keep_speed(params: GenerationParams, speed: Speed) -> None:
    path = home_folder() / "speeds.json"
    write_json_durably(path, _read_speeds() | {_key(params): asdict(speed)})


def _read_speed(params: GenerationParams) -> Speed | None:
    found = _read_speeds().get(_key(params))
    return Speed(**found) if found else None


def _read_speeds() -> dict[str, Any]:
    try:
        value = json.loads((home_folder() / "speeds.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # They can be measured again.
        return {}
    return value if isinstance(value, dict) else {}


def _key(params: GenerationParams) -> str:
    return digest_of([params.model, params.engine, params.precision, asdict(read_machine())])
