"""How each adapter is asked without context."""

from collections.abc import Callable, Sequence

from lorag.answering.generator import Message
from lorag.answering.prompts import base_messages, tuned_messages
from lorag.params import AdapterKind

Ask = Callable[[str], Sequence[Message]]
"""A question to the prompt that asks it."""

ASK: dict[AdapterKind, Ask] = {AdapterKind.TUNED: tuned_messages, AdapterKind.HYBRID: base_messages}
"""The closed-book prompt: of the strategy itself, or of the base model for an adapter that otherwise reads."""
