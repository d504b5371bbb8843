"""The merging of an adapter's files into the weights of the model that they were trained on."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lorag.errors import IntegrityFailed
from lorag.integrations.models.tensors import read_tensors
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS

_PREFIX = "base_model.model."


def merge_tensors(tensors: Iterable[tuple[str, np.ndarray]], folder: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a model's tensors, by name and in float32, with the adapter in `folder` merged into them as PEFT does it.

    LoRA, rsLoRA and DoRA are known. Only safetensors are read; of the config only the scale and the kind of the
    adapter, and no name, address or path in it is followed. Raises IntegrityFailed if the files are damaged or do not
    fit the model.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        targets = {str(target) for target in config["target_modules"]}
        parts = dict(read_tensors(folder / WEIGHTS))
        for name, values in tensors:
            stem = name.removesuffix(".weight")
            if stem == name or not _is_target(stem, targets):
                yield name, values
            else:
                yield name, _merge(values, stem, parts, config)
        if parts:
            raise ValueError("its tensors are not those of the model's layers")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityFailed(
            f"cannot use the adapter: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=folder.name,
            do="run `lorag doctor`, then `lorag retrain`",
        ) from error


def merge_adapter(model: Any, folder: Path) -> Any:
    """Return `model`, of transformers, with the adapter merged into its weights; raises what `merge_tensors` raises."""
    import torch

    named = {name: parameter for name, parameter in model.named_parameters()}
    tensors = ((name, parameter.detach().float().cpu().numpy()) for name, parameter in named.items())
    with torch.no_grad():
        for name, values in merge_tensors(tensors, folder):
            named[name].copy_(torch.from_numpy(values))
    return model.eval()


def _is_target(stem: str, targets: set[str]) -> bool:
    # A target is a whole path or the end of one, as in PEFT.
    parts = stem.split(".")
    return any(".".join(parts[first:]) in targets for first in range(len(parts)))


def _merge(values: np.ndarray, stem: str, parts: dict[str, np.ndarray], config: Mapping[str, Any]) -> np.ndarray:
    names = [f"{_PREFIX}{stem}.{part}" for part in ("lora_A.weight", "lora_B.weight", "lora_magnitude_vector")]
    down, up = parts.pop(names[0], None), parts.pop(names[1], None)
    if down is None or up is None or values.shape != (up.shape[0], down.shape[1]) or up.shape[1] != down.shape[0]:
        raise ValueError("its tensors are not those of the model's layers")
    merged: np.ndarray = values + np.float32(_scale(config, stem, len(down))) * (up @ down)
    if config.get("use_dora"):
        magnitude = parts.pop(names[2])
        merged *= (magnitude / np.linalg.norm(merged, axis=1))[:, None]
    return merged


def _scale(config: Mapping[str, Any], stem: str, rank: int) -> float:
    alpha = float(config["lora_alpha"])
    for pattern, own in (config.get("alpha_pattern") or {}).items():
        if f".{stem}".endswith(f".{pattern}"):
            alpha = float(own)
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
