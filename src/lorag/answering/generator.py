"""What every language model does for lorag; the adapters `generator_*` do it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """Who says a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. Its content is plain text: whatever it spells, it never acts as a token of the chat template."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Generation:
    """What a model wrote, less the space around it, and the tokens that this took.

    The prompt counts with its template; of the generated tokens the one that ends the answer counts too.
    """

    text: str
    prompt_tokens: int
    generated_tokens: int


TextStream = Generator[str, None, Generation]
"""Pieces of the text as they come, then the Generation as its return value; `close()` stops the model."""


class CountsTokens(Protocol):
    """Knows how much room a text takes; every LanguageModel does."""

    def count_tokens(self, text: str) -> int:
        """The tokens of a piece of plain text; an upper estimate where the tokenizer is not at hand."""


class LanguageModel(Protocol):
    """Answers a conversation, which starts with a system message so that a template never adds one of its own.

    With temperature 0 and one processor equal messages give equal text; above 0 the seed of the params decides.
    A service that fails raises StoreFailed; a prompt that does not fit the model raises ParamsError.
    """

    @property
    def model_sha256(self) -> str:
        """Names the weights, or the served model where the weights cannot be seen."""

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int) -> TextStream:
        """The answer, piece by piece."""

    def generate_batch(self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int) -> list[Generation]:
        """One answer for each conversation, in order; what shares a batch may move the last bits of a score."""

    def count_tokens(self, text: str) -> int:
        """The tokens of a piece of plain text; an upper estimate where the tokenizer is not at hand."""


def drain(stream: TextStream, on_text: Callable[[str], None] | None = None) -> Generation:
    """Runs a stream to its end and hands each piece to `on_text`."""
    while True:
        try:
            piece = next(stream)
        except StopIteration as end:
            generation: Generation = end.value
            return generation
        if on_text is not None:
            on_text(piece)
