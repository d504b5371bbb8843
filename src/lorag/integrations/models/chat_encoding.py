"""The token ids of a conversation, whose control tokens come from the chat template alone."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from tokenizers import Tokenizer

from lorag.answering.generator import Message, Role
from lorag.digests import digest_of, sha256_hex
from lorag.integrations.models.model_text import ModelText

_MARK = "\ue000{}\ue001"
_MARKS = re.compile("\ue000(\\d+)\ue001")

_TEXT = frozenset({".json", ".jinja", ".model", ".txt"})
"""The suffixes of the files of a model folder that are not weights."""

_KEPT = 4
_opened: "dict[str, ChatEncoder]" = {}


class ChatEncoder:
    """An encoder of conversations for one model; threads may share it.

    The template is rendered with a mark in place of each content, so that it never sees the content. A content that
    holds a control token is encoded by a tokenizer that knows none. The library matches added tokens that are not
    marked special, such as `<think>` in some vocabularies, in any text: they get a space inside.
    """

    def __init__(self, text: ModelText) -> None:
        self.text = text
        text.tokenizer.no_padding()
        text.tokenizer.no_truncation()
        added = text.tokenizer.get_added_tokens_decoder()
        self._control = frozenset(number for number, token in added.items() if token.special)
        plain = sorted((token.content for token in added.values() if not token.special), key=len, reverse=True)
        self._plain_added = re.compile("|".join(map(re.escape, plain))) if plain else None

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """Return the ids of the conversation, up to where the assistant's answer begins."""
        # Without one, templates such as SmolLM2's add a system message of their own.
        if not messages or messages[0].role is not Role.SYSTEM:
            raise ValueError("a conversation starts with a system message")
        marked = [{"role": message.role.value, "content": _MARK.format(at)} for at, message in enumerate(messages)]
        rendered = self.text.render(marked)
        ids: list[int] = []
        for at, part in enumerate(_MARKS.split(rendered)):
            if at % 2:
                ids += self.encode_content(messages[int(part)].content)
            elif part:
                ids += self.text.tokenizer.encode(part, add_special_tokens=False).ids
        return ids

    def encode_content(self, text: str) -> list[int]:
        """Return the ids of plain text: none of them is a control token."""
        # A lone surrogate is no text and cannot be encoded.
        text = text.encode("utf-8", "replace").decode("utf-8")
        if self._plain_added is not None:
            text = self._plain_added.sub(lambda token: f"{token[0][0]} {token[0][1:]}", text)
        ids: list[int] = self.text.tokenizer.encode(text, add_special_tokens=False).ids
        if self._control.isdisjoint(ids):
            return ids
        ids = self._without_control.encode(text, add_special_tokens=False).ids
        return ids

    @cached_property
    def _without_control(self) -> Tokenizer:
        """The tokenizer that knows no control tokens; a copy takes most of a second, and few texts need it."""
        copied = Tokenizer.from_str(self.text.tokenizer.to_str())
        copied.encode_special_tokens = True
        return copied

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a piece of plain text."""
        return len(self.encode_content(text))


def open_chat_encoder(folder: Path) -> ChatEncoder:
    """Return the encoder of a model folder, without loading the model's weights.

    All who ask for the same text files share one: reading them takes most of a second, and a service opens the base
    model once for each adapter. Raises WorkspaceError if tokenizer or chat template are missing or damaged.
    """
    digest = _text_digest(folder)
    if (found := _opened.get(digest)) is None:
        found = ChatEncoder(ModelText.load(folder))
        if len(_opened) >= _KEPT:
            _opened.clear()
        _opened[digest] = found
    return found


def _text_digest(folder: Path) -> str:
    """Return the digest of all files that are not weights."""
    paths = sorted(path for path in folder.glob("*") if path.suffix in _TEXT and path.is_file())
    return digest_of([[path.name, sha256_hex(path.read_bytes())] for path in paths])
