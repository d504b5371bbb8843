"""The adapters of a vLLM server, loaded and unloaded by name while it runs."""

import logging
import re
import time
from collections.abc import Collection, Mapping
from typing import Any

import openai

from lorag.errors import StoreFailed

logger = logging.getLogger(__name__)

FOLDER_VARIABLE = "LORAG_VLLM_ADAPTERS"
"""Names the folder with the adapters as the server sees it; only with it are adapters loaded there."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TRIES = 6
_PAUSE_S = 3.0
_TIMEOUT_S = 60.0


class EndpointAdapters:
    """The adapters at an endpoint; an adapter's name there is its sha256, and `folder` holds a folder of that name.

    The server must allow it (VLLM_ALLOW_RUNTIME_LORA_UPDATING) and must not be reachable by others: whoever reaches
    these paths can load any folder.
    """

    def __init__(self, base_url: str, api_key: str | None, folder: str, *, pause_s: float = _PAUSE_S) -> None:
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key or "none", timeout=_TIMEOUT_S, max_retries=2)
        self._folder = folder.rstrip("/")
        self._pause_s = pause_s

    def load(self, name: str) -> None:
        """Load the adapter if it is not loaded; raises StoreFailed if the server does not take it.

        The folder may reach the server later than the release reaches this process, so a refusal is tried again for
        some seconds.
        """
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(self._pause_s)
            try:
                if name in self.loaded():
                    return
                self._post("load_lora_adapter", {"lora_name": name, "lora_path": f"{self._folder}/{name}"})
                return
            except openai.OpenAIError as error:
                failure = error
        raise StoreFailed(
            f"the endpoint did not load the adapter {name[:10]}: {_line(failure)}",
            where=FOLDER_VARIABLE,
            do="check that vLLM sees the adapters there, and that VLLM_ALLOW_RUNTIME_LORA_UPDATING is True",
        ) from failure

    def keep_only(self, names: Collection[str]) -> list[str]:
        """Unload the adapters of other releases, and return their names; what is no adapter of lorag stays.

        A failure is a warning, because it costs memory alone.
        """
        unloaded = []
        try:
            for name in self.loaded():
                if name not in names:
                    self._post("unload_lora_adapter", {"lora_name": name})
                    unloaded.append(name)
        except openai.OpenAIError as error:
            logger.warning("an adapter was not unloaded at the endpoint: %s", _line(error))
        return unloaded

    def loaded(self) -> list[str]:
        """Return the names of lorag's adapters that the server has; raises OpenAIError."""
        return [model.id for model in self._client.models.list() if _SHA256.fullmatch(model.id)]

    def _post(self, path: str, body: Mapping[str, Any]) -> None:
        # vLLM answers with a sentence.
        self._client.post(f"/{path}", body=dict(body), cast_to=str)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
