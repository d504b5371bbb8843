"""The properties of an embedding model, read from its folder, and texts as the padded token ids that it reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lorag.digests import digest_of
from lorag.errors import InputRejected, ParamsError
from lorag.integrations.models.embedder_tokenizer import EmbedderTokenizer
from lorag.integrations.models.files import model_sha256
from lorag.retrieval.embed import EmbedderStamp


@dataclass(frozen=True, slots=True)
class SentenceModel:
    """A model folder in the layout of sentence-transformers.

    `sha256` covers the weights, the tokenizer and the configs, pooling among them.
    """

    folder: Path
    sha256: str
    dimension: int
    max_tokens: int

    @property
    def stamp(self) -> EmbedderStamp:
        """The mark of its vectors: they are always normalised, and whatever computes them does not change it."""
        return EmbedderStamp(digest_of([self.sha256, "unit length", self.max_tokens]), self.dimension)


def read_sentence_model(folder: Path, max_tokens: int) -> SentenceModel:
    """Read the configs and digest the files; raises ParamsError if the model cannot do what is asked."""
    if not folder.is_dir():
        raise ParamsError("an embedding model must be a folder", where=str(folder), do="name one with *.safetensors")
    config = _read_json(folder / "config.json")
    limits = [
        config.get("max_position_embeddings"),
        _read_json(folder / "tokenizer_config.json").get("model_max_length"),
    ]
    longest = min((int(limit) for limit in limits if limit), default=max_tokens)
    if max_tokens > longest:
        raise ParamsError(
            f"the embedder reads at most {longest} tokens, embedding.max_tokens is {max_tokens}",
            where=str(folder),
            do=f"set it to {longest} or less",
        )
    if prompt := _read_json(folder / "config_sentence_transformers.json").get("default_prompt_name"):
        raise ParamsError(f"the embedder wants the prompt {prompt!r}", where=str(folder), do="name one without prompts")
    return SentenceModel(folder, model_sha256(folder), _dimension(folder, config), max_tokens)


def pad_batch(
    texts: Sequence[str], tokenizer: EmbedderTokenizer, max_tokens: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and attention mask, both [n_texts, longest]; raises InputRejected above `max_tokens`."""
    rows = tokenizer.ids_many(texts)
    refuse_long(texts, rows, max_tokens)
    return pad_rows(rows)


def refuse_long(texts: Sequence[str], rows: Sequence[Sequence[int]], max_tokens: int) -> None:
    """Raise InputRejected if a text's token ids, in `rows`, are more than `max_tokens`."""
    for text, row in zip(texts, rows, strict=True):
        if len(row) > max_tokens:
            raise InputRejected(
                f"a text of {len(row)} tokens, the embedder reads {max_tokens}",
                where=f"{text[:60]!r}",
                do="shorten it, or lower chunking.max_tokens",
            )


def pad_rows(rows: Sequence[Sequence[int]], at_least: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return token ids and attention mask, both [n_rows, longest], where longest is `at_least` or more."""
    ids = np.zeros((len(rows), max([at_least, *map(len, rows)])), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return ids, mask


def _dimension(folder: Path, config: dict[str, Any]) -> int:
    try:
        width = int(config["hidden_size"])
        modules = folder / "modules.json"
        for module in json.loads(modules.read_text(encoding="utf-8")) if modules.exists() else []:
            settings = _read_json(folder / module["path"] / "config.json") if module["path"] else {}
            width = int(settings.get("out_features", width))
    except (KeyError, TypeError, ValueError) as error:
        raise ParamsError(
            f"cannot read the embedder's configs: {error!r}",
            where=str(folder),
            do="name a sentence-transformers folder",
        ) from error
    return width


def _read_json(path: Path) -> dict[str, Any]:
    """Return the object in a config file; empty if there is no such file."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ParamsError(f"cannot read {path.name}: {error}", where=str(path), do="fetch the model again") from error
    if not isinstance(value, dict):
        raise ParamsError(f"{path.name} holds no object", where=str(path), do="fetch the model again")
    return value
