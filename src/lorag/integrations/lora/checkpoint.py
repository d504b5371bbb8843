"""The state of a training run as one safetensors file, which is complete or absent."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from lorag.releases.durable import sync_path
from lorag.tuning.report import EpochResult


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The progress of a run: losses of steps and finished epochs. `digest` covers all that decides the result."""

    digest: str
    losses: Sequence[float]
    epochs: Sequence[EpochResult]
    best_epoch: int


def write_checkpoint(path: Path, checkpoint: Checkpoint, tensors: Mapping[str, Mapping[str, torch.Tensor]]) -> None:
    """Replace the file atomically; `tensors` are by group and name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    # Otherwise a link that somebody left under this name would be followed.
    temporary.unlink(missing_ok=True)
    flat = {f"{group}/{name}": t.detach().contiguous() for group, named in tensors.items() for name, t in named.items()}
    save_file(flat, temporary, metadata={"checkpoint": json.dumps(asdict(checkpoint))})
    sync_path(temporary)
    temporary.replace(path)
    sync_path(path.parent)


def read_checkpoint(path: Path, digest: str) -> tuple[Checkpoint, dict[str, dict[str, torch.Tensor]]] | None:
    """Return the checkpoint and its tensors by group and name.

    None if there is no checkpoint, if it is damaged, or if it belongs to another run.
    """
    if not path.exists():
        return None
    groups: dict[str, dict[str, torch.Tensor]] = {"weight": {}, "best": {}, "exp_avg": {}, "exp_avg_sq": {}, "step": {}}
    try:
        with safe_open(path, framework="pt") as file:
            value = json.loads(file.metadata()["checkpoint"])
            if value["digest"] != digest:
                return None
            for key in file.keys():
                group, _, name = key.partition("/")
                groups[group][name] = file.get_tensor(key)
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        # Training starts from the beginning: slower, never wrong.
        return None
    epochs = tuple(EpochResult(**epoch) for epoch in value["epochs"])
    return Checkpoint(digest, value["losses"], epochs, value["best_epoch"]), groups
