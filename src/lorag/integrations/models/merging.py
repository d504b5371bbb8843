"""The merging of an adapter's files into the weights of the model that they were trained on."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from lorag.errors import IntegrityFailed
from lorag.releases.adapter_shelf import CONFIG, WEIGHTS

_KEYS = (
    "r",
    "lora_alpha",
    "target_modules",
    "use_rslora",
    "use_dora",
    "fan_in_fan_out",
    "rank_pattern",
    "alpha_pattern",
)
"""The only keys of an adapter's config that are read: no name, address or path in it is followed."""


def merge_adapter(model: Any, folder: Path) -> Any:
    """Return `model` with the adapter merged into its weights: it is as fast as without one.

    Only safetensors are read. Raises IntegrityFailed if the files are damaged or do not fit the model.
    """
    # Imported here: it takes a second, and answers from the base model should not wait for it.
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

    try:
        written = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        config = LoraConfig(task_type="CAUSAL_LM", **{key: written[key] for key in _KEYS if key in written})
        tensors = load_file(str(folder / WEIGHTS))
        wrapped = get_peft_model(model, config)
        # A tensor more or less, or another shape, would silently give another model.
        wanted = {name: tensor.shape for name, tensor in get_peft_model_state_dict(wrapped).items()}
        if wanted != {name: tensor.shape for name, tensor in tensors.items()}:
            raise ValueError("its tensors are not those of the model's layers")
        set_peft_model_state_dict(wrapped, tensors)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise IntegrityFailed(
            f"cannot use the adapter: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            where=folder.name,
            do="run `lorag doctor`, then `lorag retrain`",
        ) from error
    return wrapped.merge_and_unload().eval()
