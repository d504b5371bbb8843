"""The language model that the params and the environment name."""

from collections.abc import Mapping
from pathlib import Path

from lorag.answering.generator import LanguageModel
from lorag.errors import ParamsError
from lorag.integrations.models.files import convert_base_model
from lorag.params import GenerationParams


def open_generator(
    params: GenerationParams, environment: Mapping[str, str], adapter: Path | None = None
) -> LanguageModel:
    """Open the endpoint at LORAG_OPENAI_BASE_URL if that is set (key: LORAG_OPENAI_API_KEY), else `params.model` here.

    `adapter` is the folder of an adapter, which is put on top of the model. An endpoint must serve the adapter under
    the folder's name, which in a release is the adapter's sha256. The first use of a GGUF model converts it, which
    takes tens of seconds.
    """
    base_url = _base_url(environment)
    # torch and the client take seconds to import; the one that is not used is not loaded.
    if not base_url:
        from lorag.integrations.models.generator_transformers import TransformersGenerator

        folder = convert_base_model(params.model)
        return TransformersGenerator(folder, temperature=params.temperature, seed=params.seed, adapter=adapter)
    from lorag.integrations.models.generator_openai import OpenAIGenerator

    if not params.endpoint_model:
        raise ParamsError(
            "LORAG_OPENAI_BASE_URL is set, but no model is named",
            where="generation.endpoint_model",
            do="name the served model, or unset LORAG_OPENAI_BASE_URL",
        )
    return OpenAIGenerator(
        base_url,
        api_key=environment.get("LORAG_OPENAI_API_KEY") or None,
        model=adapter.name if adapter is not None else params.endpoint_model,
        temperature=params.temperature,
        seed=params.seed,
        exactly=adapter is not None,
    )


def asks_endpoint(environment: Mapping[str, str]) -> bool:
    """Whether questions are answered by an endpoint, so that this machine needs no language model."""
    return bool(_base_url(environment))


def _base_url(environment: Mapping[str, str]) -> str:
    return environment.get("LORAG_OPENAI_BASE_URL", "").strip()
