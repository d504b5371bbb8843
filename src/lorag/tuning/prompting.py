"""The prompt of each adapter without context."""

from collections.abc import Callable, Sequence
from functools import partial

from lorag.answering.generator import Message
from lorag.answering.prompts import closed_book_messages
from lorag.strategies import AdapterKind

Ask = Callable[[str], Sequence[Message]]
"""A function from a question to the prompt that asks it."""

ASK: dict[AdapterKind, Ask] = {kind: partial(closed_book_messages, strategy=kind.strategy) for kind in AdapterKind}
"""The closed-book prompt of each adapter."""
