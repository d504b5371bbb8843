"""The interface of every language model; the integrations `generator_*` implement it."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """The speaker of a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True)
class Message:
    """A turn. Its content is plain text: nothing in it ever acts as a token of the chat template."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Generation:
    """The text that a model wrote, without the space around it, and the tokens that were used.

    `prompt_tokens` include the chat template; `generated_tokens` include the one that ends the answer. `read_s` are the
    seconds until the first token, `write_s` those from there to the last; both are 0 for a text from a cache. Others
    that were generated at the same time are in them.
    """

    text: str
    prompt_tokens: int
    generated_tokens: int
    read_s: float = field(default=0.0, compare=False)
    write_s: float = field(default=0.0, compare=False)


class StopRule(Protocol):
    """A rule that says where a text ends while it is being written."""

    def settled(self, text: str) -> int:
        """Return the length of the start of a text that `find_end` lets pass, whatever follows it."""

    def find_end(self, text: str) -> int | None:
        """Return the length that the text so far is cut to; None if it goes on."""


@dataclass(frozen=True, slots=True)
class StopStrings:
    """The rule that a text ends before the first of these strings; without any, only the model ends it."""

    strings: tuple[str, ...] = ()

    def settled(self, text: str) -> int:
        """See `StopRule`."""
        begun = (size for string in self.strings for size in range(1, len(string)) if text.endswith(string[:size]))
        return len(text) - max(begun, default=0)

    def find_end(self, text: str) -> int | None:
        """See `StopRule`."""
        return min((at for string in self.strings if (at := text.find(string)) >= 0), default=None)


NEVER = StopStrings()
"""The rule that lets the model end its text by itself."""

TextStream = Generator[str, None, Generation]
"""A stream of pieces of the text as they come, with the Generation as return value; `close()` stops the model."""


class CountsTokens(Protocol):
    """A counter of the tokens of a text; every LanguageModel is one."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of plain text; an upper estimate if the tokenizer is not available."""


class LanguageModel(Protocol):
    """A model that answers a conversation, which starts with a system message so that a template never adds its own.

    With temperature 0, equal messages give equal text on one processor; above 0 the seed of the params decides.
    A service that fails raises StoreFailed; a prompt that does not fit the model raises ParamsError.
    """

    @property
    def model_sha256(self) -> str:
        """The digest that names the weights, or the served model if the weights cannot be seen."""

    @property
    def engine(self) -> str:
        """The program that runs the model, and its arithmetic: a few words for reports."""

    def stream(self, messages: Sequence[Message], *, max_new_tokens: int, stop: StopRule = NEVER) -> TextStream:
        """Generate the answer, piece by piece; no piece is taken back."""

    def generate_batch(
        self, conversations: Sequence[Sequence[Message]], *, max_new_tokens: int, stop: StopRule = NEVER
    ) -> list[Generation]:
        """Return an answer for each conversation, in order; the batch may change the last bits of a score."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of plain text; an upper estimate if the tokenizer is not available."""


def drain(stream: TextStream, on_text: Callable[[str], None] | None = None) -> Generation:
    """Run a stream to its end and pass each piece to `on_text`."""
    while True:
        try:
            piece = next(stream)
        except StopIteration as end:
            generation: Generation = end.value
            return generation
        if on_text is not None:
            on_text(piece)
