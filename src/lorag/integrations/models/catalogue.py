"""The language models that are on this machine, and what each takes."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from lorag.digests import digest_of
from lorag.errors import LoragError
from lorag.integrations.blob_cache import BlobCache
from lorag.integrations.models.cache import home_folder
from lorag.integrations.models.files import model_sha256, resolve_model
from lorag.integrations.models.gguf_file import unreadable_gguf_reason
from lorag.integrations.models.openvino_model import CACHE_TOKENS, unreadable_reason
from lorag.integrations.models.tensors import read_header
from lorag.params import GenerationPrecision

_CARDS, _CARD_VERSION = "model_cards", 1
_LICENCE = re.compile(r"(?m)^license:\s*[\"']?([\w.+-]+)")
_WEIGHT_BYTES = {GenerationPrecision.EXACT: 4.0, GenerationPrecision.INT8: 34 / 32}
_CACHE_BYTES = {GenerationPrecision.EXACT: 4.0, GenerationPrecision.INT8: 1.1}


@dataclass(frozen=True, slots=True)
class ModelCard:
    """A language model as its files describe it.

    `reference` is what `generation.model` names it by. `n_parameters`, `context_tokens` and `licence` are None if the
    files do not say. `refused` says why OpenVINO cannot run it; None if it can.
    """

    reference: str
    file_bytes: int
    n_parameters: int | None
    context_tokens: int | None
    licence: str | None
    refused: str | None
    cache_values_per_token: int | None

    def memory_bytes(self, precision: GenerationPrecision) -> int | None:
        """Return an estimate of what OpenVINO holds: the weights, and keys and values of as many tokens as it keeps."""
        if self.n_parameters is None or self.cache_values_per_token is None:
            return None
        cache = CACHE_TOKENS * self.cache_values_per_token * _CACHE_BYTES[precision]
        return int(self.n_parameters * _WEIGHT_BYTES[precision] + cache)


def find_models(in_use: str, workspace: Path) -> list[ModelCard]:
    """Return the models of installed packages, of the hub's cache and of the workspace's folder `models`, by name.

    The one in use comes first. A reference that leads nowhere is left out.
    """
    references = [in_use, *_in_packages(), *_in_hub_cache(), *_in_folder(workspace / "models")]
    cards = []
    for reference in dict.fromkeys(references):
        try:
            cards.append(read_card(reference, resolve_model(reference, fetch=False)))
        except (LoragError, OSError, ValueError):
            continue
    return cards


def read_card(reference: str, path: Path) -> ModelCard:
    """Read what the files of a model say; raises OSError or ValueError if they cannot be read."""
    if path.is_dir():
        return _read_folder(reference, path)
    # The reader takes seconds for a vocabulary.
    key = digest_of([_CARD_VERSION, model_sha256(path)])
    with BlobCache(home_folder() / "digests.sqlite") as cache:
        if (known := cache.get(_CARDS, key)) is None:
            known = json.dumps(asdict(_read_gguf(reference, path))).encode()
            cache.put(_CARDS, key, known)
    return replace(ModelCard(**json.loads(known)), reference=reference)


def _read_gguf(reference: str, path: Path) -> ModelCard:
    from gguf import GGUFReader

    reader = GGUFReader(str(path))
    fields = {name: field for name, field in reader.fields.items() if not name.startswith("tokenizer.")}
    values = {name: field.contents() for name, field in fields.items()}
    kind = values.get("general.architecture", "")

    def of_kind(key: str) -> Any:
        return values.get(f"{kind}.{key}")

    heads, width = of_kind("attention.head_count"), of_kind("embedding_length")
    key_heads = of_kind("attention.head_count_kv") or heads
    head_width = of_kind("attention.key_length") or (width // heads if width and heads else None)
    blocks = of_kind("block_count")
    per_token = 2 * blocks * key_heads * head_width if blocks and key_heads and head_width else None
    return ModelCard(
        reference,
        path.stat().st_size,
        sum(int(math.prod(int(size) for size in tensor.shape)) for tensor in reader.tensors),
        of_kind("context_length"),
        values.get("general.license"),
        unreadable_gguf_reason(reader),
        per_token,
    )


def _read_folder(reference: str, folder: Path) -> ModelCard:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    weights = list(folder.glob("*.safetensors"))
    heads = config.get("num_attention_heads")
    key_heads = config.get("num_key_value_heads") or heads
    head_width = config.get("head_dim") or (config["hidden_size"] // heads if heads else None)
    blocks = config.get("num_hidden_layers")
    return ModelCard(
        reference,
        sum(path.stat().st_size for path in weights),
        sum(_count_values(path) for path in weights),
        config.get("max_position_embeddings"),
        _licence_of(folder),
        unreadable_reason(folder),
        2 * blocks * key_heads * head_width if blocks and key_heads and head_width else None,
    )


def _count_values(path: Path) -> int:
    return sum(math.prod(entry["shape"]) for entry in read_header(path)[0].values())


def _licence_of(folder: Path) -> str | None:
    readme = folder / "README.md"
    found = _LICENCE.search(readme.read_text(encoding="utf-8", errors="replace")) if readme.is_file() else None
    return found[1] if found else None


def _in_packages() -> Iterator[str]:
    for distribution in distributions():
        for file in distribution.files or ():
            top, *inside = file.parts
            if file.suffix == ".gguf" and inside and re.fullmatch(r"[A-Za-z_]\w*", top):
                yield f"package:{top}/{'/'.join(inside)}"


def _in_hub_cache() -> Iterator[str]:
    from huggingface_hub import constants, scan_cache_dir

    if not Path(constants.HF_HUB_CACHE).is_dir():
        return
    for repository in scan_cache_dir().repos:
        if repository.repo_type != "model":
            continue
        for revision in repository.revisions:
            config = next((file.file_path for file in revision.files if file.file_name == "config.json"), None)
            if config is not None and _answers(config):
                yield f"hub:{repository.repo_id}"


def _in_folder(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        if path.suffix == ".gguf" or (path.is_dir() and _answers(path / "config.json")):
            yield str(path)


def _answers(config: Path) -> bool:
    try:
        kinds = json.loads(config.read_text(encoding="utf-8")).get("architectures") or []
    except (OSError, ValueError, AttributeError):
        return False
    return any(str(kind).endswith("ForCausalLM") for kind in kinds)
