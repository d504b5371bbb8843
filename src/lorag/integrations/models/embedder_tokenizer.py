"""The embedder's tokenizer as a counter of tokens, without the libraries that load models."""

import re
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from lorag.errors import InputRejected

_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class EmbedderTokenizer:
    """Counts what the embedder reads: special tokens included, nothing truncated, nothing padded."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        # A model's tokenizer.json may ask for both, and then every long text would count the same.
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """The number of tokens of `text`, special tokens included."""
        return len(self._tokenizer.encode(_encodable(text)))

    def count_many(self, texts: Sequence[str]) -> list[int]:
        """`count` of each text, on all cores."""
        return [len(encoding) for encoding in self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])]

    def ids_many(self, texts: Sequence[str]) -> list[list[int]]:
        """The token ids of each text, special tokens included, on all cores."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """The character span of each token in order, special tokens left out."""
        spans: list[tuple[int, int]] = self._tokenizer.encode(_encodable(text), add_special_tokens=False).offsets
        return spans


def load_token_counter(model_folder: Path) -> EmbedderTokenizer:
    """The counter of the model in `model_folder`, read from its `tokenizer.json`."""
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
    """A lone surrogate, which UTF-8 cannot hold, replaced by a character of the same length."""
    return _LONE_SURROGATE.sub("\ufffd", text)
