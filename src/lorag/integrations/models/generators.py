"""The language model that the params and the environment name."""

import logging
import os
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lorag.answering.generator import LanguageModel
from lorag.errors import ParamsError
from lorag.integrations.machine.gpu_energy import count_held_gpus
from lorag.integrations.models.files import convert_base_model
from lorag.integrations.models.openvino_model import openvino_form, unreadable_reason
from lorag.params import Engine, GenerationParams

if TYPE_CHECKING:
    from lorag.integrations.models.endpoint_adapters import EndpointAdapters

logger = logging.getLogger(__name__)


def open_generator(
    params: GenerationParams, environment: Mapping[str, str], adapter: Path | None = None
) -> LanguageModel:
    """Open the language model by the engine that `choose_engine` names.

    `adapter` is the folder of an adapter, which is put on top of the model. An endpoint must serve the adapter under
    the folder's name, which in a release is the adapter's sha256; its key is LORAG_OPENAI_API_KEY. With
    LORAG_VLLM_ADAPTERS it is told to load the adapter; raises StoreFailed if it does not. The first use of a
    model or an adapter converts it, which takes seconds.
    """
    # torch, OpenVINO and the client take seconds to import; those that are not used are not loaded.
    match choose_engine(params, environment):
        case Engine.ENDPOINT:
            return _open_endpoint(params, environment, adapter)
        case Engine.TRANSFORMERS:
            from lorag.integrations.models.generator_transformers import TransformersGenerator

            folder = convert_base_model(params.model)
            return TransformersGenerator(folder, temperature=params.temperature, seed=params.seed, adapter=adapter)
        case _:
            from lorag.integrations.models.generator_openvino import OpenVinoGenerator

            return OpenVinoGenerator(
                convert_base_model(params.model),
                precision=params.precision,
                temperature=params.temperature,
                seed=params.seed,
                adapter=adapter,
            )


def open_compared(params: GenerationParams, adapter: Path | None = None) -> LanguageModel:
    """Open the model whose answers are examined and compared: the one that params name, with an adapter or not.

    An endpoint is asked only if `generation.engine` is `endpoint`: one that merely is in the environment may serve
    another model than the one that adapters are trained on.
    """
    return open_generator(params, os.environ if params.engine is Engine.ENDPOINT else {}, adapter)


def choose_engine(params: GenerationParams, environment: Mapping[str, str]) -> Engine:
    """Return the engine that `generation.engine` means here; never `auto`.

    Raises ParamsError if OpenVINO is asked to run a model that it cannot run.
    """
    if answers_at_endpoint(params, environment):
        return Engine.ENDPOINT
    if params.engine is Engine.TRANSFORMERS or (params.engine is Engine.AUTO and count_held_gpus()):
        return Engine.TRANSFORMERS
    reason = unreadable_reason(convert_base_model(params.model))
    if reason is None:
        return Engine.OPENVINO
    if params.engine is Engine.OPENVINO:
        raise ParamsError(
            f"OpenVINO cannot run this language model: {reason}",
            where="generation.engine",
            do="set it to auto or transformers, or name a model of the llama, qwen2 or qwen3 kind",
        )
    logger.warning("%s is run by transformers, which is slower here: %s", params.model, reason)
    return Engine.TRANSFORMERS


def prepare_generator(params: GenerationParams, environment: Mapping[str, str], adapter: Path | None = None) -> Engine:
    """Convert model and adapter to the form that the engine runs, so that the first question does not wait for it."""
    engine = choose_engine(params, environment)
    if engine is not Engine.ENDPOINT:
        folder = convert_base_model(params.model)
        if engine is Engine.OPENVINO:
            openvino_form(folder, adapter, params.precision)
    return engine


def answers_at_endpoint(params: GenerationParams, environment: Mapping[str, str]) -> bool:
    """Return whether `choose_engine` takes the endpoint; no model is looked at."""
    return params.engine is Engine.ENDPOINT or (params.engine is Engine.AUTO and asks_endpoint(environment))


def asks_endpoint(environment: Mapping[str, str]) -> bool:
    """Whether questions are answered by an endpoint, so that this machine needs no language model."""
    return bool(_base_url(environment))


def _open_endpoint(params: GenerationParams, environment: Mapping[str, str], adapter: Path | None) -> LanguageModel:
    from lorag.integrations.models.generator_openai import OpenAIGenerator

    base_url = _base_url(environment)
    if not base_url:
        raise ParamsError(
            "generation.engine is endpoint, but no endpoint is named",
            where="LORAG_OPENAI_BASE_URL",
            do="set it to the address, or set generation.engine to auto",
        )
    if not params.endpoint_model:
        raise ParamsError(
            "LORAG_OPENAI_BASE_URL is set, but no model is named",
            where="generation.endpoint_model",
            do="name the served model, or unset LORAG_OPENAI_BASE_URL",
        )
    load = None
    if adapter is not None and (adapters := _adapters_at_endpoint(environment)):
        load = partial(adapters.load, adapter.name)
        load()
    return OpenAIGenerator(
        base_url,
        api_key=environment.get("LORAG_OPENAI_API_KEY") or None,
        model=adapter.name if adapter is not None else params.endpoint_model,
        temperature=params.temperature,
        seed=params.seed,
        exactly=adapter is not None,
        load=load,
    )


def retire_adapters(params: GenerationParams, environment: Mapping[str, str], keep: Collection[str]) -> None:
    """Unload the adapters at the endpoint but those of these sha256, where lorag loads them; otherwise do nothing."""
    if answers_at_endpoint(params, environment) and (adapters := _adapters_at_endpoint(environment)):
        adapters.keep_only(keep)


def _adapters_at_endpoint(environment: Mapping[str, str]) -> "EndpointAdapters | None":
    from lorag.integrations.models.endpoint_adapters import FOLDER_VARIABLE, EndpointAdapters

    folder = environment.get(FOLDER_VARIABLE, "").strip()
    if not (folder and _base_url(environment)):
        return None
    return EndpointAdapters(_base_url(environment), environment.get("LORAG_OPENAI_API_KEY") or None, folder)


def _base_url(environment: Mapping[str, str]) -> str:
    return environment.get("LORAG_OPENAI_BASE_URL", "").strip()
