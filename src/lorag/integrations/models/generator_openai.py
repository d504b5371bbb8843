"""A language model behind an OpenAI-compatible endpoint: vLLM, `transformers serve`, and others."""

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import openai

from lorag.answering.chat_tokens import neutralise_chat_tokens
from lorag.answering.generator import NEVER, Generation, Message, StopRule, TextStream, drain
from lorag.digests import digest_of
from lorag.errors import ParamsError, StoreFailed
from lorag.integrations.models.text_writer import TextWriter
from lorag.integrations.shown_address import shown_address

_TIMEOUT = openai.Timeout(60.0, connect=5.0)
_MAX_RETRIES = 3
_PARALLEL_REQUESTS = 4
_BYTES_PER_TOKEN = 3


class OpenAIGenerator:
    """A language model at an endpoint. Its tokenizer is out of reach, so chat tokens in contents are visibly broken up.

    A request that did not start is tried again, with growing pauses. A text that broke off is an error. With `exactly`,
    so is the answer of a model of another name, as happens behind an alias. `load` is called when the endpoint does not
    know the model, which is then asked for once more.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None,
        model: str,
        temperature: float,
        seed: int,
        exactly: bool,
        load: Callable[[], None] | None = None,
    ) -> None:
        if urlsplit(base_url).scheme not in ("http", "https") or not urlsplit(base_url).netloc:
            raise ParamsError(
                "the endpoint's address is not an http(s) address",
                where="LORAG_OPENAI_BASE_URL",
                do="give it as https://host:port/v1",
            )
        self._model = model
        self._exactly = exactly
        self._load = load
        self._temperature = temperature
        self._seed = seed
        self._where = shown_address(base_url)
        self._api_key = api_key or ""
        # The client requires a key, and would otherwise read one from the environment.
        self._client = openai.OpenAI(
            base_url=base_url,
            api_key=api_key or "none",
            organization="",
            project="",
            timeout=_TIMEOUT,
            max_retries=_MAX_RETRIES,
        )

    @property
    def model_sha256(self) -> str:
        """A digest of endpoint and model name: the weights behind them cannot be seen from here."""
        return digest_of(["endpoint", self._where, self._model])

    @property
    def engine(self) -> str:
        """The word for all endpoints."""
        return "endpoint"

    def count_tokens(self, text: str) -> int:
        """Return an estimate, which for English text is on the high side."""
        return math.ceil(len(text.encode("utf-8", "replace")) / _BYTES_PER_TOKEN)

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        """Yield the answer as the endpoint sends it; `close()` closes the connection."""
        contents = [
            {"role": message.role.value, "content": neutralise_chat_tokens(message.content)} for message in messages
        ]
        writer = TextWriter(stop)
        usage: Any = None
        finished = False
        with self._explained():
            request: Any = {
                "model": self._model,
                "messages": contents,
                "max_tokens": max_new_tokens,
                "temperature": self._temperature,
                "seed": self._seed,
                "stream": True,
                "stream_options": {"include_usage": True},
            }
            with self._begin(request) as events:
                for event in events:
                    self._refuse_other_model(event.model)
                    usage = getattr(event, "usage", None) or usage
                    for choice in event.choices[:1]:
                        finished = finished or choice.finish_reason is not None
                        if choice.delta.content:
                            writer.add(choice.delta.content)
                            if piece := writer.take():
                                yield piece
                    if writer.ended:
                        break
        if not finished and not writer.ended:
            raise self._failed("the endpoint's answer broke off")
        writer.end()
        if piece := writer.take():
            yield piece
        prompt = usage.prompt_tokens if usage else sum(self.count_tokens(message["content"]) for message in contents)
        return writer.generation(prompt, usage.completion_tokens if usage else self.count_tokens(writer.text))

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        """Return one answer for each conversation, in order; a few requests run at a time."""
        with ThreadPoolExecutor(_PARALLEL_REQUESTS) as pool:
            return list(
                pool.map(lambda m: drain(self.stream(m, max_new_tokens=max_new_tokens, stop=stop)), conversations)
            )

    def _begin(self, request: dict[str, Any]) -> Any:
        try:
            return self._client.chat.completions.create(**request)
        except openai.NotFoundError:
            if self._load is None:
                raise
            # A server that was started again has lost what was loaded while it ran.
            self._load()
            return self._client.chat.completions.create(**request)

    def _refuse_other_model(self, answering: str | None) -> None:
        """Raise StoreFailed if another model answers, as on servers that use their only model for every request."""
        # `transformers serve` names a revision too.
        if self._exactly and answering and answering.partition("@")[0] != self._model:
            raise self._failed(f"asked for {self._model}, but {answering} answered")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except openai.APIStatusError as error:
            raise self._failed(f"the endpoint answered {error.status_code}: {self._readable(error)}") from error
        except openai.APITimeoutError as error:
            raise self._failed("the endpoint did not answer in time") from error
        except openai.APIConnectionError as error:
            raise self._failed("the connection to the endpoint failed") from error
        except (openai.OpenAIError, ValueError) as error:
            raise self._failed(f"the endpoint's answer cannot be used: {self._readable(error)}") from error

    def _failed(self, what: str) -> StoreFailed:
        return StoreFailed(
            what,
            where=self._where,
            do="check the server, LORAG_OPENAI_BASE_URL (most end in /v1), the key and generation.endpoint_model",
        )

    def _readable(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        return (text.replace(self._api_key, "***") if self._api_key else text)[:200]
