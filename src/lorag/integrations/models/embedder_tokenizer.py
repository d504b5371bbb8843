"""The embedder's tokenizer as a counter of tokens, without the libraries that load models."""

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from lorag.errors import InputRejected

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class EmbedderTokenizer:
    """A counter of what the embedder reads: special tokens included, nothing truncated, nothing padded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # A model's tokenizer.json may ask for both, and then every long text would count the same.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """Return the number of tokens of `text`, special tokens included."""
        return len(self._tokenizer.encode(_encodable(text)))

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """Return `count` of each text, computed on all cores."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])]

    def ids_many(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, special tokens included, computed on all cores."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return the character span of each token in order, without special tokens."""
        spans: list[tuple[int, int]] = self._tokenizer.encode(_encodable(text), add_special_tokens=False).offsets
        return spans


def load_token_counter(model_folder: Path) -> EmbedderTokenizer:
    """Return the counter of the model in `model_folder`, read from its `tokenizer.json`."""
    path = model_folder / "tokenizer.json"
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputRejected(
            f"cannot read the embedder's tokenizer: {error}", where=str(path), do="name a folder with a fast tokenizer"
        ) from error
    try:
        return EmbedderTokenizer(Tokenizer.from_str(text))
    except Exception as error:  # The library raises nothing more specific.
        raise InputRejected(f"not a tokenizer: {error}", where=str(path), do="fetch the model again") from error


def _encodable(text: str) -> str:
    """Replace a lone surrogate, which UTF-8 cannot hold, by a character of the same length."""
    return _LONE_SURROGATE.sub("\ufffd", text)
